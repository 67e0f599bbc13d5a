// SPDX-License-Identifier: Apache-2.0

package jsonwire

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/brokermesh/brokermesh/pkg/broker/data"
)

// value is the JSON of a value with this kind and payload.
func value(kind, payload string) string {
	return `{"@data-type":"` + kind + `","data":` + payload + `}`
}

func TestParseAccepts(t *testing.T) {
	cases := []struct{ kind, payload, text string }{
		{"none", "{}", "nil"},
		{"none", "null", "nil"},
		{"none", "[1,2]", "nil"},
		{"boolean", "true", "T"},
		{"count", "18446744073709551615", "18446744073709551615"},
		{"count", "+1", "1"},
		{"integer", "-9223372036854775808", "-9223372036854775808"},
		{"count", "0x1F", "31"},
		{"count", "+0b101", "5"},
		{"integer", "-0X8000000000000000", "-9223372036854775808"},
		{"integer", "-0", "0"},
		{"real", "1e400", "inf"},
		{"real", "-1e400", "-inf"},
		{"real", "5", "5.000000"},
		{"real", "-0", "-0.000000"},
		{"real", "-0.0", "-0.000000"},
		{"real", "5e0", "5.000000"},
		{"real", ".5", "0.500000"},
		{"real", "1.", "1.000000"},
		{"real", "+1.5E+1", "15.000000"},
		{"real", "nan", "nan"},
		{"real", "-nan", "nan"},
		{"real", "inf", "inf"},
		{"real", "-inf", "-inf"},
		{"real", `"nan"`, "nan"},
		{"real", `"inf"`, "inf"},
		{"real", `"-inf"`, "-inf"},
		{"string", `"a\u00e9\ud83d\ude00\/\v"`, "a\u00e9\U0001f600/\v"},
		{"string", "\"raw \x01\n\xff\"", "raw \x01\n\xff"},
		{"string", `"\udc80\udcff"`, "\x80\xff"},
		{"string", `"\udfff"`, "\xed\xbf\xbf"},
		{"enum-value", `"Log::UNKNOWN"`, "Log::UNKNOWN"},
		{"address", `"::FFFF:102:304"`, "1.2.3.4"},
		{"subnet", `"10.1.2.3/8"`, "10.0.0.0/8"},
		{"subnet", `"10.1.2.3/8!"`, "10.1.2.3/8"},
		{"subnet", `"1.2.3.4/170!"`, "1.2.3.4/170"},
		{"subnet", `"2001:db8::/255!"`, "2001:db8::/255"},
		{"port", `"80"`, "80/tcp"},
		{"port", `"1/?"`, "1/?"},
		{"timestamp", `"2023-11-14T23:43:20.123456789+01:30"`, "1700000000123456789ns"},
		{"timestamp", `"1969-12-31T23:59:59.999999999Z"`, "-1ns"},
		{"timespan", `"34024598214782597ns"`, "34024598214782597ns"},
		{"timespan", `"  1.5min"`, "90000000000ns"},
		{"set", "[" + value("count", "2") + "," + value("count", "1") + "]", "{1, 2}"},
		{"table", `[{"value":` + value("count", "2") + `,"x":[],"key":` + value("count", "1") + "}]", "{1 -> 2}"},
		{"vector", " [ ] ", "()"},
	}
	for _, c := range cases {
		v, err := ParseValue([]byte(value(c.kind, c.payload)))
		if err != nil || v.Kind().String() != c.kind || v.String() != c.text {
			t.Errorf("%s %s: got %s %q, %v, want %q", c.kind, c.payload, v.Kind(), v, err, c.text)
			continue
		}
		out := AppendValue(nil, v)
		if !json.Valid(out) || !utf8.Valid(out) {
			t.Errorf("%s %s: written as %s, which isn't valid", c.kind, c.payload, out)
		}
		if again, err := ParseValue(out); err != nil || !same(again, mapScalars(v, cut)) {
			t.Errorf("%s %s: written as %s, read as %s, %v", c.kind, c.payload, out, again, err)
		}
	}
	loose := []string{
		"\r\n\t {\"data\" : 1 , \"@data-type\" : \"count\"} \r\n",
		`{"@data-type":"count","data":1,"@data-type":"string","data":"x"}`,
		`{"\u0040data-type":"count","d\u0061ta":1}`,
		`{"extra":{"a":[{}]},"@data-type":"count","data":1}`,
	}
	for _, s := range loose {
		if v, err := ParseValue([]byte(s)); err != nil || !data.Equal(v, data.Count(1)) {
			t.Errorf("%s: got %s, %v", s, v, err)
		}
	}
	if v, err := ParseValue([]byte(`{"@data-type":"none"}`)); err != nil || !v.IsNone() {
		t.Errorf("none without data: %s, %v", v, err)
	}
}

func TestParseRefuses(t *testing.T) {
	one := value("count", "1")
	cases := []struct {
		input string
		class Class
		path  string // or the offset's message for faults of syntax
		msg   string
	}{
		{"", ClassSyntax, "", "ends where a JSON value should be"},
		{"not json", ClassSyntax, "", "not a JSON value"},
		{one + "x", ClassSyntax, "", "text behind"},
		{one + "\x00", ClassSyntax, "", "text behind"},
		{`{"a":1`, ClassSyntax, "", "want a comma or the closing bracket"},
		{`{"a" 1}`, ClassSyntax, "", "want a colon"},
		{`{a:1}`, ClassSyntax, "", "want a name in quotes"},
		{`{"a":1,}`, ClassSyntax, "", "want a name in quotes"},
		{`[1,]`, ClassSyntax, "", "not a JSON value"},
		{`"abc`, ClassSyntax, "", "ends inside a string"},
		{`"abc\`, ClassSyntax, "", "ends inside a string"},
		{`"\x"`, ClassSyntax, "", "unknown escape"},
		{`"\u12"`, ClassSyntax, "", "unknown escape"},
		{`"\ud800"`, ClassSyntax, "", "unknown escape"},
		{`"\ud800\u0041"`, ClassSyntax, "", "unknown escape"},
		{value("count", "010"), ClassSyntax, "", "not a JSON value"},
		{value("count", "0x"), ClassSyntax, "", "not a JSON value"},
		{value("count", "0o17"), ClassSyntax, "", "not a JSON value"},
		{value("count", "0b2"), ClassSyntax, "", "not a JSON value"},
		{value("count", "-0b1"), ClassValue, "$.data", "want an integer"},
		{value("count", "0x10000000000000000"), ClassValue, "$.data", "want an integer"},
		{value("real", "0x1f"), ClassValue, "$.data", "want a number"},
		{value("real", "1e"), ClassSyntax, "", "not a JSON value"},
		{value("real", "."), ClassSyntax, "", "not a JSON value"},
		{value("real", "1_0"), ClassSyntax, "", "want a comma"},
		{strings.Repeat("[", 513), ClassSyntax, "", "nested too deeply"},
		{"5", ClassObject, "$", "want an object"},
		{"[]", ClassObject, "$", "want an object"},
		{"{}", ClassValue, "$", "want the name of a type in @data-type"},
		{`{"@data-type":1}`, ClassValue, "$", "want the name of a type in @data-type"},
		{value("phone", `"555-0123"`), ClassValue, "$.@data-type", `unknown type "phone", want one of none, boolean`},
		{value("Count", "1"), ClassValue, "$.@data-type", "want one of"},
		{`{"@data-type":"count"}`, ClassValue, "$", "want a member data: an integer from 0"},
		{value("boolean", "1"), ClassValue, "$.data", "want true or false"},
		{value("count", "-1"), ClassValue, "$.data", "want an integer from 0 to 18446744073709551615"},
		{value("count", "1.0"), ClassValue, "$.data", "want an integer"},
		{value("count", `"1"`), ClassValue, "$.data", "want an integer"},
		{value("count", "18446744073709551616"), ClassValue, "$.data", "want an integer"},
		{value("integer", "9223372036854775808"), ClassValue, "$.data", "to 9223372036854775807"},
		{value("real", `"1.0"`), ClassValue, "$.data", "want a number"},
		{value("count", "nan"), ClassValue, "$.data", "want an integer"},
		{value("string", "1"), ClassValue, "$.data", "want a string"},
		{value("address", `"300.1.1.1"`), ClassValue, "$.data", `address "300.1.1.1": want`},
		{value("subnet", `"::1/129"`), ClassValue, "$.data", "want a length from 0 to 128"},
		{value("subnet", `"1.2.3.4/256!"`), ClassValue, "$.data", "want a length from 0 to 255"},
		{value("subnet", `"x/1!"`), ClassValue, "$.data", "want an IPv4 or IPv6 address"},
		{value("port", `"70000/tcp"`), ClassValue, "$.data", "want a number from 0 to 65535"},
		{value("timestamp", `"yesterday"`), ClassValue, "$.data", "want YYYY-MM-DDThh:mm:ss"},
		{value("timespan", `"5 parsecs"`), ClassValue, "$.data", "want a decimal number"},
		{value("vector", "{}"), ClassValue, "$.data", "want an array of values"},
		{value("vector", "[5]"), ClassValue, "$.data[0]", "want an object"},
		{value("vector", "["+one+","+value("set", "["+one+","+value("port", `"x"`)+"]")+"]"), ClassValue, "$.data[1].data[1].data", "port"},
		{value("set", "["+one+","+one+"]"), ClassDuplicate, "$.data", "an element occurs twice"},
		{value("table", "1"), ClassValue, "$.data", "want an array of objects with key and value"},
		{value("table", "[1]"), ClassValue, "$.data[0]", "want an object with key and value"},
		{value("table", `[{"key":`+one+"}]"), ClassValue, "$.data[0]", "want members key and value"},
		{value("table", `[{"key":`+value("count", "x")+`,"value":`+one+"}]"), ClassSyntax, "", "not a JSON value"},
		{value("table", `[{"key":`+value("count", "[]")+`,"value":`+one+"}]"), ClassValue, "$.data[0].key.data", "want an integer"},
		{value("table", `[{"key":`+one+`,"value":`+value("count", "[]")+"}]"), ClassValue, "$.data[0].value.data", "want an integer"},
		{value("table", `[{"key":`+one+`,"value":`+one+`},{"key":`+one+`,"value":`+value("none", "{}")+"}]"), ClassDuplicate, "$.data", "a key occurs twice"},
	}
	for _, c := range cases {
		v, err := ParseValue([]byte(c.input))
		var bad *Error
		if !errors.As(err, &bad) {
			t.Errorf("%.80s: got %s, %v", c.input, v, err)
			continue
		}
		if bad.Class != c.class || c.class != ClassSyntax && bad.Path != c.path || !strings.Contains(err.Error(), c.msg) || !v.IsNone() {
			t.Errorf("%.80s: got class %d, %v, want class %d at %s: %s", c.input, bad.Class, err, c.class, c.path, c.msg)
		}
		if bad.Offset < 0 || bad.Offset > len(c.input) {
			t.Errorf("%.80s: offset %d", c.input, bad.Offset)
		}
	}
}

func TestDepth(t *testing.T) {
	nest := func(n int, open, end string) string {
		return strings.Repeat(open, n) + value("none", "{}") + strings.Repeat(end, n)
	}
	shapes := map[string][2]string{
		"vector": {`{"@data-type":"vector","data":[`, "]}"},
		"table":  {`{"@data-type":"table","data":[{"key":{"@data-type":"none"},"value":`, "}]}"},
		"late":   {`{"data":[`, `],"@data-type":"set"}`},
	}
	for name, s := range shapes {
		v, err := ParseValue([]byte(nest(data.MaxDepth, s[0], s[1])))
		if err != nil || v.Depth() != data.MaxDepth {
			t.Errorf("%s: depth %d, %v", name, v.Depth(), err)
		}
		if again, err := ParseValue(AppendValue(nil, v)); err != nil || !same(again, v) {
			t.Errorf("%s: isn't read again: %v", name, err)
		}
		var bad *Error
		if _, err = ParseValue([]byte(nest(data.MaxDepth+1, s[0], s[1]))); !errors.As(err, &bad) || !strings.Contains(bad.Msg, "nested too deeply, want at most 128 levels") {
			t.Errorf("%s: one level more: %v", name, err)
		}
	}
}

func TestAppend(t *testing.T) {
	cases := []struct {
		v    data.Value
		want string
	}{
		{data.Real(math.Inf(1)), value("real", `"inf"`)},
		{data.Real(math.Inf(-1)), value("real", `"-inf"`)},
		{data.Real(math.NaN()), value("real", `"nan"`)},
		{data.Real(math.Pi), value("real", "3.141592653589793")},
		{data.Real(1e-9), value("real", "1e-09")},
		{data.Real(0.1), value("real", "0.100000")},
		{data.Real(1e15), value("real", "1000000000000000.000000")},
		{data.Real(math.Copysign(0, -1)), value("real", "-0.000000")},
		{data.String("\v\x00\x1f\x7f\"\\/\b\f\n\r\t"), value("string", `"\u000b\u0000\u001f`+"\x7f"+`\"\\/\b\f\n\r\t"`)},
		{data.String("é\xff\xc3x\xed\xa0\x80\U0001f600"), value("string", `"é\udcff\udcc3x\udced\udca0\udc80`+"\U0001f600"+`"`)},
		{data.String("\ufffd\u2028"), value("string", "\"\ufffd\u2028\"")},
		{data.TimestampNanos(-1), value("timestamp", `"1970-01-01T00:00:00.000"`)},
		{data.TimestampNanos(-1_500_000_000), value("timestamp", `"1969-12-31T23:59:59.000"`)},
		{data.TimestampNanos(1_999_999), value("timestamp", `"1970-01-01T00:00:00.001"`)},
		{data.TimestampNanos(math.MinInt64), value("timestamp", `"1677-09-21T00:12:44.000"`)},
		{data.Timespan(0), value("timespan", `"0s"`)},
		{data.Timespan(-2000), value("timespan", `"-2us"`)},
		{data.Timespan(1500e6), value("timespan", `"1500ms"`)},
		{data.Timespan(math.MinInt64), value("timespan", `"-9223372036854775808ns"`)},
		{data.Table(), value("table", "[]")},
	}
	for _, c := range cases {
		got := string(AppendValue([]byte("x"), c.v))
		if got != "x"+c.want {
			t.Errorf("got %s, want x%s", got, c.want)
		}
		if back, err := ParseValue([]byte(c.want)); err != nil || !same(back, mapScalars(c.v, cut)) {
			t.Errorf("%s: read as %s, %v", c.want, back, err)
		}
	}
	close := data.Table(
		data.Entry{Key: data.Vector(data.TimestampNanos(1), data.Count(1)), Value: data.TimestampNanos(1)},
		data.Entry{Key: data.Vector(data.TimestampNanos(1), data.Count(2))},
		data.Entry{Key: data.Vector(data.TimestampNanos(2), data.Count(1)), Value: data.Set(data.TimestampNanos(3))},
	)
	for _, v := range []data.Value{close, data.Set(data.TimestampNanos(-1), data.TimestampNanos(-2), data.None())} {
		out := AppendValue(nil, data.Vector(v, data.TimestampNanos(1_999_999)))
		if back, err := ParseValue(out); err != nil || !same(back, data.Vector(v, data.TimestampNanos(1_000_000))) {
			t.Errorf("%s: read as %s, %v", out, back, err)
		}
	}
	unsorted, err := data.Decode([]byte{12, 2, 1, 1, 0})
	if err != nil {
		t.Fatal(err)
	}
	want := value("set", "["+value("none", "{}")+","+value("boolean", "true")+"]")
	if got := string(AppendValue(nil, unsorted)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMessages(t *testing.T) {
	text := `{"type":"data-message","topic":"/te\"st","@data-type":"count","data":1}`
	if got := string(AppendMessage(nil, `/te"st`, data.Count(1))); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	topic, v, err := ParseMessage([]byte(text))
	if err != nil || topic != `/te"st` || !data.Equal(v, data.Count(1)) {
		t.Errorf("got %q, %s, %v", topic, v, err)
	}
	for input, want := range map[string]Class{
		"[]": ClassObject, "[": ClassSyntax,
		`{"@data-type":"count","data":1}`:           ClassTopic,
		`{"topic":5,"@data-type":"count","data":1}`: ClassTopic,
		`{"topic":"t"}`: ClassValue,
		`{"topic":"t","@data-type":"set","data":[{"@data-type":"none"},{"@data-type":"none"}]}`: ClassDuplicate,
	} {
		var bad *Error
		if _, _, err := ParseMessage([]byte(input)); !errors.As(err, &bad) || bad.Class != want {
			t.Errorf("%s: got %v, want class %d", input, err, want)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	prefixes := []string{"/a", "", "\xff\""}
	text := AppendSubscriptions(nil, prefixes)
	if string(text) != `["/a","","\udcff\""]` {
		t.Errorf("got %s", text)
	}
	got, err := ParseSubscriptions(text)
	if err != nil || strings.Join(got, "|") != strings.Join(prefixes, "|") {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := ParseSubscriptions([]byte(" []")); err != nil || got == nil || len(got) != 0 {
		t.Errorf("got %#v, %v", got, err)
	}
	for input, want := range map[string]string{
		"{}": "json: $: subscriptions not an array", `["a",["b"]]`: "json: $[1]: individual subscription not a string",
		`["a"`: "json: offset 4: want a comma or the closing bracket",
	} {
		if _, err := ParseSubscriptions([]byte(input)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", input, err, want)
		}
	}
}
