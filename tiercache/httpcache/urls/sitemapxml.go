package urls

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// deepestXML bounds how deep elements may stand in each other; those of a sitemap with extensions
// stand six deep.
const deepestXML = 32

// document reads the entries of a sitemap or of an index. encoding/xml knows the five entities of
// XML and no others, and reads nothing that a document refers to.
type document struct {
	xml   *xml.Decoder
	path  []string // the local names of the open elements
	loc   strings.Builder
	index bool
}

// read calls entry with each <loc> of a <url>, or of a <sitemap> where the document is an index.
func (d *document) read(entry func(loc string, index bool) error) error {
	empty := true
	for {
		token, err := d.xml.Token()
		switch {
		case errors.Is(err, io.EOF) && empty:
			return errors.New("it is empty; want a urlset or a sitemapindex")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			empty = false
			err = d.open(t.Name.Local)
		case xml.EndElement:
			err = d.close(entry)
		case xml.CharData:
			if d.inLoc() && d.loc.Len() <= longestTarget { // a longer one is broken, and says so
				d.loc.Write(t)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (d *document) open(name string) error {
	if len(d.path) == 0 {
		if name != "urlset" && name != "sitemapindex" {
			return fmt.Errorf("its element is <%.40s>; want a urlset or a sitemapindex", name)
		}
		d.index = name == "sitemapindex"
	}
	if len(d.path) == deepestXML {
		return fmt.Errorf("its elements stand more than %d deep in each other", deepestXML)
	}
	d.path = append(d.path, name)
	if d.inLoc() {
		d.loc.Reset()
	}
	return nil
}

func (d *document) close(entry func(loc string, index bool) error) error {
	defer func() { d.path = d.path[:len(d.path)-1] }()
	if !d.inLoc() {
		return nil
	}
	return entry(strings.TrimSpace(d.loc.String()), d.index)
}

// inLoc reports whether the innermost element is the <loc> of an entry. Extensions have their own,
// such as <image:loc>, but one deeper.
func (d *document) inLoc() bool {
	entry := "url"
	if d.index {
		entry = "sitemap"
	}
	return len(d.path) == 3 && d.path[1] == entry && d.path[2] == "loc"
}
