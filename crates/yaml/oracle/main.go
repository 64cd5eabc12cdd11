// Prints what Go's YAML libraries make of generated values and texts, one JSON line a case.
//
//	go run . emit SEED COUNT > ../tests/golden/emit.jsonl
//	go run . read SEED COUNT > ../tests/golden/read.jsonl
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"math/rand"
	"os"
	"strconv"
	"strings"

	v3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

var pieces = []string{
	"a", "b", "word", "yes", "no", "on", "y", "N", "true", "null", "~", "1", "0", "12", "07", "0x1F", "0b1", "0o7",
	"1e3", "1.5", ".5", "5.", "-", "- ", "?", "? ", ":", ": ", " #", "#", ",", "[", "]", "{", "}", "&", "*", "!", "|", ">",
	"'", "\"", "%", "@", "`", "=", "<<", "<", "\\", "/", " ", "  ", "\n", "\n\n", "\t", "\r", "\x00", "\x07", "\x1b",
	"é", "ß", "漢", "😀", "\u00a0", "\u0085", "\u2028", "\ufeff", "---", "...", ".", "_", "+", "e", "E", "T", "Z", "2024-01-02",
	"2024-1-2", "10:20", "12:30:45", ".inf", ".nan", "-.INF", "NaN", "Infinity", "1_000", "x", "\n ", " \n", "\n\t", "end",
}

var lorem = strings.Fields("the quick brown fox jumps over a lazy dog: and 'then' some more-words, with #hash and {braces} about configuration.example.com/annotation values")

func text(r *rand.Rand) string {
	var b strings.Builder
	switch r.Intn(8) {
	case 0:
		for i := r.Intn(40); i >= 0; i-- {
			b.WriteString(lorem[r.Intn(len(lorem))])
			b.WriteString([]string{" ", " ", " ", " ", " ", "  ", "\n"}[r.Intn(7)])
		}
	case 1:
		for i := r.Intn(8); i >= 0; i-- {
			b.WriteByte("0123456789+-._eExob:TZ"[r.Intn(22)])
		}
	case 2:
		for i := r.Intn(6); i >= 0; i-- {
			b.WriteString(strings.Repeat(" ", r.Intn(4)) + lorem[r.Intn(len(lorem))] + strings.Repeat("\n", r.Intn(3)))
		}
	default:
		for i := r.Intn(5); i >= 0; i-- {
			b.WriteString(pieces[r.Intn(len(pieces))])
		}
	}
	return b.String()
}

func number(r *rand.Rand) interface{} {
	switch r.Intn(5) {
	case 0:
		return json.Number(strconv.FormatInt(r.Int63()>>uint(r.Intn(63)), 10))
	case 1:
		return json.Number(strconv.FormatUint(r.Uint64(), 10))
	case 2:
		return r.NormFloat64() * []float64{1, 1e-7, 1e-5, 1e6, 1e22, 1e100}[r.Intn(6)]
	case 3:
		return float64(r.Intn(10000000))/4 + 0.125
	default:
		return -r.Intn(100)
	}
}

func value(r *rand.Rand, depth int) interface{} {
	n := r.Intn(10)
	if depth <= 0 && n > 6 {
		n = r.Intn(7)
	}
	switch n {
	case 0:
		return nil
	case 1:
		return r.Intn(2) == 0
	case 2:
		return number(r)
	case 3, 4, 5, 6:
		return text(r)
	case 7:
		list := []interface{}{}
		for i := r.Intn(4); i > 0; i-- {
			list = append(list, value(r, depth-1))
		}
		return list
	default:
		m := map[string]interface{}{}
		for i := r.Intn(5); i > 0; i-- {
			key := text(r)
			if r.Intn(3) > 0 {
				key = strings.Fields(key + " k")[0] + strconv.Itoa(r.Intn(20))
			}
			m[key] = value(r, depth-1)
		}
		return m
	}
}

func encode(value interface{}, compact bool) string {
	var b bytes.Buffer
	e := v3.NewEncoder(&b)
	e.SetIndent(2)
	if compact {
		e.CompactSeqIndent()
	}
	if err := e.Encode(value); err != nil {
		return "error: " + err.Error()
	}
	e.Close()
	return b.String()
}

func plain(value interface{}) interface{} {
	switch value := value.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			return n
		}
		n, _ := strconv.ParseUint(string(value), 10, 64)
		return n
	case []interface{}:
		for i := range value {
			value[i] = plain(value[i])
		}
	case map[string]interface{}:
		for k := range value {
			value[k] = plain(value[k])
		}
	}
	return value
}

func emit(r *rand.Rand, out *json.Encoder) {
	in := value(r, 4)
	if r.Intn(2) == 0 {
		in = map[string]interface{}{"k": text(r), "list": []interface{}{text(r)}}
	}
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	if err := e.Encode(in); err != nil {
		return
	}
	sigs, err := yaml.Marshal(in)
	line := map[string]interface{}{"in": json.RawMessage(raw.Bytes()), "json": func() string { b, _ := json.Marshal(in); return string(b) }()}
	if err == nil {
		line["sigs"] = string(sigs)
	}
	in = plain(in)
	line["pretty"] = encode(in, false)
	if compact := encode(in, true); compact != line["pretty"] {
		line["kyaml"] = compact
	}
	out.Encode(line)
}

var snippets = []string{
	"a: b", "key: value # note", "- x", "- a: 1", "- - y", "? k", ": v", "\"q\": 'r'", "list:", "map: {a: 1, b: [x, y]}", "[1, two, {three: 3}]",
	"text: |", "text: >-", "text: |+2", "  indented", "    deeper", "&x a: *x", "base: &x", "<<: *x", "ref: *x", "!!str 1: !!int \"2\"", "!foo bar: baz",
	"# comment", "", "---", "...", "%YAML 1.1", "t: 2024-01-02", "n: 0x1F", "e: ", "y: n", "'it''s': \"a\\nb\\u00e9\"", "multi: one", "  two", "\ttab: 1",
	"q: \"open", "closed\"", "[a, b", "c]", "{a: b,", "c: d}", "-", "- ", "?", ":", "a:b", "http://x.y: z", "x: y: z", "- |", "- >", " - q", "k: - v", "@bad: 1", "`: 2",
	"1: one", "1.5: f", "true: t", "~: null", "f: 1e3", "g: .inf", "h: 18446744073709551616", "i: 08", "s: !!binary aGk=", "u: \xc2\xa0nb", "plain: it's #not: a comment",
}

func document(r *rand.Rand) string {
	var b strings.Builder
	for i := r.Intn(8); i >= 0; i-- {
		b.WriteString(strings.Repeat(" ", []int{0, 0, 0, 2, 2, 4, 1}[r.Intn(7)]))
		b.WriteString(snippets[r.Intn(len(snippets))])
		b.WriteString("\n")
	}
	s := []byte(b.String())
	for i := r.Intn(3); i > 0 && len(s) > 0; i-- {
		at := r.Intn(len(s))
		switch r.Intn(3) {
		case 0:
			s = append(s[:at], s[at+1:]...)
		case 1:
			s = append(s[:at], append([]byte{" \n:-#'\"[]{},&*|>?"[r.Intn(17)]}, s[at:]...)...)
		default:
			s[at] = " \n:-#'\"[]{},&*|>?"[r.Intn(17)]
		}
	}
	return string(bytes.ToValidUTF8(s, []byte("?")))
}

func read(r *rand.Rand, out *json.Encoder) {
	var text string
	if r.Intn(3) == 0 {
		in := value(r, 4)
		b, err := yaml.Marshal(in)
		if err != nil {
			return
		}
		text = string(b)
		if r.Intn(2) == 0 {
			text = encode(plain(in), r.Intn(2) == 0)
		}
		if len(text) > 0 && r.Intn(2) == 0 {
			at := r.Intn(len(text))
			text = strings.ToValidUTF8(text[:at]+" \n:-#'\"[]{},"[r.Intn(12):][:1]+text[at+1:], "?")
		}
	} else {
		text = document(r)
	}
	if strings.HasPrefix(text, "{}:") || strings.HasPrefix(text, "[]:") {
		return // Go loses track of such keys and stops reading; we refuse them.
	}
	line := map[string]interface{}{"text": text}
	if b, err := yaml.YAMLToJSON([]byte(text)); err == nil {
		line["sigs"] = string(b)
	} else {
		line["sigsError"] = err.Error()
	}
	if b, err := yaml.YAMLToJSONStrict([]byte(text)); err != nil {
		line["strictError"] = err.Error()
	} else {
		_ = b
	}
	var any interface{}
	if err := v3.Unmarshal([]byte(text), &any); err != nil {
		line["v3Error"] = err.Error()
	} else if b, err := json.Marshal(any); err == nil {
		line["v3"] = string(b)
	}
	out.Encode(line)
}

func main() {
	seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
	count, _ := strconv.Atoi(os.Args[3])
	r := rand.New(rand.NewSource(seed))
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for i := 0; i < count; i++ {
		if os.Args[1] == "emit" {
			emit(r, out)
		} else {
			read(r, out)
		}
	}
}
