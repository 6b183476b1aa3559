package schedule

import (
	"strings"
	"time"
)

// maxText bounds the length of an expression, in bytes.
const maxText = 1024

// Option changes how [Parse] reads an expression or how its runs are found.
type Option struct {
	loc     *time.Location
	gapSkip bool
	lenient bool
}

// In gives the time zone of an expression that names none. Without it, Next answers in the zone of
// the time it is asked with. A nil location changes nothing.
func In(loc *time.Location) Option { return Option{loc: loc} }

// GapSkip makes a fixed schedule skip the runs whose wall time a clock change leaves out, as
// section 4.3.1 of OCPS 1.4 recommends, instead of running once right after the gap.
func GapSkip() Option { return Option{gapSkip: true} }

// Lenient also accepts what other crons do: a step after a single value (0/15 is 0-59/15), a step
// alone (/5 is */5), and ranges that wrap (22-2, FRI-MON). [Cron.String] writes them in the strict
// grammar.
func Lenient() Option { return Option{lenient: true} }

// Parse reads a cron expression; the package comment is the manual of its grammar. Its error is a
// [*ParseError], which names the field, the text, its position and what is right. An impossible
// date is no error: see [Cron.Never].
func Parse(expr string, opts ...Option) (*Cron, error) {
	p := parser{text: expr}
	for _, o := range opts {
		if o.loc != nil {
			p.cron.loc = o.loc
		}
		p.cron.gapSkip = p.cron.gapSkip || o.gapSkip
		p.lenient = p.lenient || o.lenient
	}
	if err := p.parse(); err != nil {
		return nil, err
	}
	c := p.cron
	return &c, nil
}

// parser reads one expression. Positions are byte offsets in text.
type parser struct {
	text    string
	lenient bool
	cron    Cron
	tokens  [8]span // the parts between blanks; one more than an expression can have
	count   int     // how many parts there are, also beyond those kept
}

type span struct{ from, to int }

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

func (p *parser) parse() *ParseError {
	if len(p.text) > maxText {
		return p.fail("expression", span{maxText, len(p.text)}, "at most 1024 bytes")
	}
	from := 0
	for from < len(p.text) && isBlank(p.text[from]) {
		from++
	}
	from, err := p.prefix(from)
	if err != nil {
		return err
	}
	p.split(from)
	if p.count > 0 && p.text[p.tokens[0].from] == '@' {
		return p.nickname()
	}
	return p.fields()
}

// prefix reads TZ=ZONE or CRON_TZ=ZONE, where there is one, and returns where the rest begins.
func (p *parser) prefix(from int) (int, *ParseError) {
	rest := p.text[from:]
	var name int
	switch {
	case strings.HasPrefix(rest, "TZ="):
		name = from + len("TZ=")
	case strings.HasPrefix(rest, "CRON_TZ="):
		name = from + len("CRON_TZ=")
	default:
		return from, nil
	}
	to := name
	for to < len(p.text) && !isBlank(p.text[to]) {
		to++
	}
	const want = `a name of the IANA time zone database, such as "UTC" or "Europe/Paris"`
	zone := p.text[name:to]
	if zone == "" {
		return 0, p.fail("time zone", span{name, to}, want)
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return 0, p.fail("time zone", span{name, to}, want+" that this machine knows")
	}
	if to == len(p.text) {
		return 0, p.fail("expression", span{to, to}, "five to seven fields or a nickname after the time zone")
	}
	p.cron.loc, p.cron.zoned = loc, true
	return to, nil
}

// split finds the parts between blanks.
func (p *parser) split(from int) {
	for i := from; ; {
		for i < len(p.text) && isBlank(p.text[i]) {
			i++
		}
		if i == len(p.text) {
			return
		}
		start := i
		for i < len(p.text) && !isBlank(p.text[i]) {
			i++
		}
		if p.count < len(p.tokens) {
			p.tokens[p.count] = span{start, i}
		}
		p.count++
	}
}

// nickname reads @daily and its like. They are case-sensitive, as OCPS 1.1 demands.
func (p *parser) nickname() *ParseError {
	const want = "@yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly, @reboot or @every with a duration"
	at := p.tokens[0]
	word := p.text[at.from:at.to]
	if word == "@every" {
		return p.interval()
	}
	if p.count > 1 {
		return p.fail("expression", span{p.tokens[1].from, p.end()}, "nothing after "+short(word))
	}
	var fields string
	switch word {
	case "@yearly", "@annually":
		fields = "0 0 1 1 *"
	case "@monthly":
		fields = "0 0 1 * *"
	case "@weekly":
		fields = "0 0 * * 0"
	case "@daily", "@midnight":
		fields = "0 0 * * *"
	case "@hourly":
		fields = "0 * * * *"
	case "@reboot":
		p.cron.kind = kindReboot
		return nil
	default:
		return p.fail("nickname", at, want)
	}
	p.text, p.count = fields, 0
	p.split(0)
	return p.fields()
}

func (p *parser) interval() *ParseError {
	const want = `one duration of 1s or longer, such as "90s" or "1h30m"`
	if p.count == 1 {
		return p.fail("interval", span{p.tokens[0].to, p.tokens[0].to}, want)
	}
	at := p.tokens[1]
	if p.count > 2 {
		return p.fail("interval", span{p.tokens[2].from, p.end()}, "nothing after the duration")
	}
	d, err := time.ParseDuration(p.text[at.from:at.to])
	if err != nil || d < time.Second {
		return p.fail("interval", at, want)
	}
	p.cron.kind, p.cron.every = kindEvery, d
	return nil
}

// fields reads five, six or seven fields.
func (p *parser) fields() *ParseError {
	const want = "five fields (minute hour day-of-month month day-of-week), six (second first) or seven (year last)"
	for i := 5; i < min(p.count, len(p.tokens)); i++ {
		if at := p.tokens[i]; p.text[at.from] == '#' {
			return p.fail("expression", span{at.from, p.end()}, "no comment behind the fields")
		}
	}
	switch {
	case p.count == 0:
		return p.fail("expression", span{len(p.text), len(p.text)}, want)
	case p.count < 5:
		return p.fail("expression", span{p.tokens[0].from, p.end()}, want)
	case p.count > 7:
		return p.fail("expression", span{p.tokens[7].from, p.end()}, want)
	}
	c := &p.cron
	c.clock.second, c.days.year = 1, allYears()
	first := minute
	if p.count > 5 {
		first = second
	}
	for i := range p.count {
		if err := p.field(first+field(i), p.tokens[i]); err != nil {
			return err
		}
	}
	c.finish()
	return nil
}

// end returns the end of the text without the blanks behind it.
func (p *parser) end() int {
	return len(strings.TrimRight(p.text, " \t"))
}
