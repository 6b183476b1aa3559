package loaders

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// demo makes the rows of one set. Everything random in it comes from PCG generators of its seed:
// the same calls give the same rows.
type demo struct {
	reports   int
	users     [][2]string // id, name
	questions [][2]string // id, text
	brands    []string    // most popular first

	rng      *rand.Rand
	brand    *rand.Zipf
	user     *rand.Zipf
	question *rand.Zipf
	made     int
}

type demoReport struct {
	executionID, status          string
	brand, user, question, score any // nil is NULL
	createdAt                    time.Time
}

//nolint:gochecknoglobals // constants that Go cannot call so
var (
	demoStart = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	demoEnd   = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
)

const demoQuestions = 240

func newDemo(reports int, seed uint64) *demo {
	names := rand.New(rand.NewPCG(seed, 1))
	rng := rand.New(rand.NewPCG(seed, 2))
	d := &demo{
		reports:   reports,
		users:     demoUsers(names, seed, min(max(reports/40, 200), 20_000)),
		questions: demoQuestionTexts(names, seed),
		brands:    demoBrands(names, min(max(reports/400, 150), 3_000)),
		rng:       rng,
	}
	d.brand = rand.NewZipf(rng, 1.1, 2, uint64(len(d.brands)-1))
	d.user = rand.NewZipf(rng, 1.05, 20, uint64(len(d.users)-1))
	d.question = rand.NewZipf(rng, 1.2, 5, demoQuestions-1)
	return d
}

// next makes the next report; they come in the order of time.
func (d *demo) next() demoReport {
	year := demoEnd.Sub(demoStart).Milliseconds()
	from, to := int64(d.made)*year/int64(d.reports), int64(d.made+1)*year/int64(d.reports)
	at := demoStart.Add(time.Duration(from+d.rng.Int64N(max(to-from, 1))) * time.Millisecond)
	d.made++

	brand := d.brand.Uint64()
	r := demoReport{
		executionID: d.executionID(at),
		createdAt:   at,
		status:      "completed",
		brand:       d.brands[brand],
		user:        d.users[d.user.Uint64()][0],
		question:    d.questions[d.question.Uint64()][0],
	}
	switch p := d.rng.IntN(1000); {
	case p < 60:
		r.status = "failed"
	case p < 75:
		r.status = "running"
	case p < 90:
		r.status = "pending"
	default:
		r.score = d.score(brand)
	}
	if d.rng.IntN(50) == 0 {
		r.brand = nil
	}
	if d.rng.IntN(100) == 0 {
		r.user = nil // asked without an account
	}
	if d.rng.IntN(100) == 0 {
		r.question = nil // a question of the user's own
	}
	return r
}

// score scatters around a brand's own level, which its rank decides; the sum of three dice is near
// enough to a bell.
func (d *demo) score(brand uint64) int {
	level := 45 + int(brand*37%40)
	return min(max(level+d.rng.IntN(15)+d.rng.IntN(15)+d.rng.IntN(15)-21, 0), 100)
}

// executionID is a UUID of version 7. Ids in the order of time append to their index, where random
// ones would touch a page each.
func (d *demo) executionID(at time.Time) string {
	a, b := d.rng.Uint64(), d.rng.Uint64()
	ms := uint64(at.UnixMilli())
	const digits = "0123456789abcdef"
	var id [36]byte
	hi, lo := ms<<16|0x7000|a&0xfff, 0x8000_0000_0000_0000|b>>2
	for i, n := 0, 0; i < len(id); i++ {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			id[i] = '-'
			continue
		case n < 16:
			id[i] = digits[hi>>(60-4*n)&15]
		default:
			id[i] = digits[lo>>(124-4*n)&15]
		}
		n++
	}
	return string(id[:])
}

func demoUsers(rng *rand.Rand, seed uint64, n int) [][2]string {
	first := []string{"Ada", "Björn", "Chen", "Dalia", "Emre", "Fatou", "Giulia", "Hiro", "Inês", "Jamal", "Kateřina", "Liam", "Mei", "Noor", "Oluwaseun", "Priya"}
	last := []string{"Almeida", "Bauer", "Çelik", "Dubois", "Eriksson", "Fernández", "García", "Haddad", "Ito", "Jansen", "Kowalski", "Li", "Müller", "Nguyễn", "O'Brien", "Petrov"}
	users := make([][2]string, n)
	for i := range users {
		users[i] = [2]string{
			fmt.Sprintf("u%d-%05d", seed, i+1),
			first[rng.IntN(len(first))] + " " + last[rng.IntN(len(last))],
		}
	}
	rng.Shuffle(n, func(i, j int) { users[i], users[j] = users[j], users[i] })
	return users
}

func demoQuestionTexts(rng *rand.Rand, seed uint64) [][2]string {
	asks := []string{
		"Which brand would you recommend for %s?", "What are the best alternatives for %s?", "Who leads the market in %s?",
		"Which %s brand has the best value?", "What do people dislike about %s brands?", "Which %s brand do experts trust?",
		"Is there a sustainable choice for %s?", "How have %s brands changed this year?", "What should a beginner buy for %s?",
		"Which %s brand has the best support?",
	}
	about := []string{
		"running shoes", "coffee", "electric cars", "headphones", "skin care", "hotels", "banking apps", "laptops", "baby food", "bicycles", "airlines", "cameras",
		"insurance", "furniture", "streaming", "phones", "watches", "tea", "outdoor clothing", "kitchen tools", "video games", "toothpaste", "pet food", "e-readers",
	}
	questions := make([][2]string, demoQuestions)
	for i := range questions {
		questions[i] = [2]string{
			fmt.Sprintf("q%d-%03d", seed, i+1),
			fmt.Sprintf(asks[i/len(about)], about[i%len(about)]),
		}
	}
	rng.Shuffle(len(questions), func(i, j int) { questions[i], questions[j] = questions[j], questions[i] })
	return questions
}

// demoBrands returns n names, most popular first: Nike, then well-known ones shuffled, then made-up
// ones, among them some that are hard to handle.
func demoBrands(rng *rand.Rand, n int) []string {
	known := []string{
		"Nike", "Adidas", "Apple", "Samsung", "Sony", "Toyota", "Tesla", "BMW", "IKEA", "Zara", "Lego", "Nestlé", "L'Oréal", "Häagen-Dazs", "Citroën", "Škoda",
		"Ørsted", "Mövenpick", "Löwenbräu", "Dr. Oetker", "Ben & Jerry's", "AT&T", "H&M", "7-Eleven", "3M", "Yahoo!", "Coca-Cola", "Levi's", "小米", "華為",
		"無印良品", "ユニクロ", "任天堂", "삼성", "Яндекс", "Лада", "Ελλάς", "فيروز", "नमस्ते", "☕ Corner",
	}
	odd := []string{"100% Pure", "C:\\Drive", "A/B Testing", "{Curly}", "\"Quoted\"", "semi;colon", "under_score", "star*", "Who?", "a:b:c"}
	rest := known[1:]
	rng.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	adjectives := []string{"Nordic", "Urban", "Golden", "Silent", "Bright", "Pacific", "Alpine", "Royal", "Crimson", "Velvet", "Solar", "Honest"}
	nouns := []string{"Coffee", "Motors", "Textiles", "Foods", "Optics", "Audio", "Hotels", "Cycles", "Labs", "Studio"}
	brands := known
	for i := 0; len(brands) < n; i++ {
		name := adjectives[i%len(adjectives)] + " " + nouns[i/len(adjectives)%len(nouns)]
		if round := i / (len(adjectives) * len(nouns)); round > 0 {
			name += " " + strconv.Itoa(round+1)
		}
		brands = append(brands, name)
		if i%3 == 0 && i/3 < len(odd) {
			brands = append(brands, odd[i/3])
		}
	}
	return brands[:n]
}
