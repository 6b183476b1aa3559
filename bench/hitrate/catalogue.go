package main

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/loaders"
)

// The five caches, in the order of their priority.
const (
	brandCache = iota
	reportCache
	questionCache
	userCache
	responseCache
	numCaches
)

// catalogue is every key that can be read, for each cache the most popular one first: brands,
// questions and users by their number of reports, reports from the latest on.
type catalogue [numCaches][]string

// size is the number of keys.
func (c *catalogue) size() (n int) {
	for _, keys := range c {
		n += len(keys)
	}
	return n
}

func readCatalogue(ctx context.Context, db *sqlx.DB) (*catalogue, error) {
	c := &catalogue{responseCache: {loaders.ResponseMonitoring, loaders.ResponseBrandDistribution}}
	for cache, query := range map[int]string{
		brandCache:    `SELECT brand_name FROM diagnosis_reports WHERE brand_name IS NOT NULL GROUP BY brand_name ORDER BY COUNT(*) DESC, brand_name`,
		questionCache: `SELECT question_id FROM diagnosis_reports WHERE question_id IS NOT NULL GROUP BY question_id ORDER BY COUNT(*) DESC, question_id`,
		userCache:     `SELECT user_id FROM diagnosis_reports WHERE user_id IS NOT NULL GROUP BY user_id ORDER BY COUNT(*) DESC, user_id`,
		reportCache:   `SELECT execution_id FROM diagnosis_reports ORDER BY created_at DESC, execution_id`,
	} {
		if err := db.SelectContext(ctx, &c[cache], query); err != nil {
			return nil, fmt.Errorf("reading the catalogue: %w", err)
		}
	}
	return c, nil
}
