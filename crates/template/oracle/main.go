// Command oracle prints what Go's text/template with sprig and Helm's functions makes of each case.
//
// Standard input has a case a line, as a JSON string; standard output has, a line, a JSON array of
// the case and what it printed, or of the case alone where it failed.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"

	"github.com/BurntSushi/toml"
	"github.com/Masterminds/sprig/v3"
	"gopkg.in/yaml.v3"
	sigs "sigs.k8s.io/yaml"
)

func functions(t *template.Template) template.FuncMap {
	f := sprig.TxtFuncMap()
	f["toYaml"] = func(v any) string {
		data, err := sigs.Marshal(v)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(string(data), "\n")
	}
	f["toYamlPretty"] = func(v any) string {
		var data bytes.Buffer
		encoder := yaml.NewEncoder(&data)
		encoder.SetIndent(2)
		if encoder.Encode(v) != nil {
			return ""
		}
		return strings.TrimSuffix(data.String(), "\n")
	}
	f["toToml"] = func(v any) string {
		var data bytes.Buffer
		if err := toml.NewEncoder(&data).Encode(v); err != nil {
			return err.Error()
		}
		return data.String()
	}
	f["fromToml"] = func(text string) map[string]any {
		m := map[string]any{}
		if err := toml.Unmarshal([]byte(text), &m); err != nil {
			m["Error"] = "error"
		}
		return m
	}
	f["fromYaml"] = func(text string) map[string]any {
		m := map[string]any{}
		if err := sigs.Unmarshal([]byte(text), &m); err != nil {
			m["Error"] = "error"
		}
		return m
	}
	f["fromJson"] = func(text string) map[string]any {
		m := map[string]any{}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			m["Error"] = "error"
		}
		return m
	}
	f["toJson"] = func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(data)
	}
	f["include"] = func(name string, data any) (string, error) {
		var out strings.Builder
		err := t.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	return f
}

func run(text, values string) (out string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	data := map[string]any{}
	if err := sigs.Unmarshal([]byte(values), &data); err != nil {
		return "", err
	}
	t := template.New("case").Option("missingkey=zero")
	t.Funcs(functions(t))
	if _, err := t.Parse(text); err != nil {
		return "", err
	}
	var buffer strings.Builder
	err = t.Execute(&buffer, data)
	return buffer.String(), err
}

func main() {
	values, err := os.ReadFile("values.yaml")
	if err != nil {
		panic(err)
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for in.Scan() {
		var text string
		if err := json.Unmarshal(in.Bytes(), &text); err != nil {
			panic(err)
		}
		out, err := run(text, string(values))
		if os.Getenv("ERRORS") != "" && err != nil {
			fmt.Fprintln(os.Stderr, text, "=>", err)
		}
		if err != nil {
			encoder.Encode([]string{text})
		} else {
			encoder.Encode([]string{text, out})
		}
	}
}
