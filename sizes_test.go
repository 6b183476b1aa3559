package warmcache_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// What is larger is split. A table of data belongs in a variable.
const (
	mostFunctionLines = 60
	mostFileLines     = 350
	mostMethods       = 60
	mostPackageLines  = 6000
	mostPackageFiles  = 40
)

// tooLarge are packages that are to become smaller: what they have is the most that they may have.
var tooLarge = map[string]struct{ lines, files int }{"tiercache": {8300, 54}}

// sizes are those of one package.
type sizes struct {
	lines, files int
	methods      map[string]int // by type
}

// Tests are free of these bounds.
func TestHouse_sizes(t *testing.T) {
	t.Parallel()
	all, positions := make(map[string]*sizes), token.NewFileSet()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if base := path.Base(name); d != nil && d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata") {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(positions, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		lines := positions.Position(file.FileEnd).Line
		if lines > mostFileLines {
			t.Errorf("%s: %d lines; %d are the most", name, lines, mostFileLines)
		}
		s := all[path.Dir(name)]
		if s == nil {
			s = &sizes{methods: make(map[string]int)}
			all[path.Dir(name)] = s
		}
		s.lines += lines
		s.files++
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			begin, end := positions.Position(f.Pos()), positions.Position(f.End())
			if n := end.Line - begin.Line + 1; n > mostFunctionLines {
				t.Errorf("%v: %s has %d lines; %d are the most", begin, f.Name.Name, n, mostFunctionLines)
			}
			if f.Recv != nil {
				s.methods[receiver(f.Recv.List[0].Type)]++
			}
		}
		return nil
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d packages, %v", len(all), err)
	}
	for dir, s := range all {
		for name, n := range s.methods {
			if n > mostMethods {
				t.Errorf("%s: %s has %d methods; %d are the most", dir, name, n, mostMethods)
			}
		}
		most, known := tooLarge[dir]
		if !known {
			most.lines, most.files = mostPackageLines, mostPackageFiles
		}
		if s.lines > most.lines || s.files > most.files {
			t.Errorf("%s: %d lines in %d files; %d in %d are the most", dir, s.lines, s.files, most.lines, most.files)
		}
	}
}

// receiver is the name of a method's type.
func receiver(of ast.Expr) string {
	for {
		switch e := of.(type) {
		case *ast.StarExpr:
			of = e.X
		case *ast.IndexExpr:
			of = e.X
		case *ast.IndexListExpr:
			of = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}
