package query

import (
	"testing"

	"waytrace/trace"
)

func TestPreferred(t *testing.T) {
	for _, c := range []struct {
		accept string
		want   trace.Lang
	}{
		{"", trace.ZhHans},
		{"en", trace.EN},
		{"EN-us", trace.EN},
		{"zh", trace.ZhHans},
		{"zh-CN,zh;q=0.9,en;q=0.8", trace.ZhHans},
		{"zh-HK, zh;q=0.9", trace.ZhHant},
		{"en;q=0.5,zh-Hant;q=0.6", trace.ZhHant},
		{"en;q=0.5 , zh-Hant;q=0.500", trace.EN},
		{"zh-Hant;q=0.25,en;q=0.251", trace.EN},
		{"fr,de;q=0.9,en;q=0.1", trace.EN},
		{"fr", trace.ZhHans},
		{"*", trace.ZhHans},
		{"*,en", trace.EN},
		{"en;q=0.9,*", trace.ZhHans},
		{"zh-Hans;q=0,*", trace.ZhHant},
		{"zh-Hans;q=0,zh-Hant;q=0,*;q=0.1", trace.EN},
		{"en;q=0", trace.ZhHans},
		{"en;q=0,zh-TW;q=0.001", trace.ZhHant},
		{"zh-Hans;q=0,zh-Hant;q=0,en;q=0", trace.ZhHans},
		{"en; Q=1.000, zh;q=0.999", trace.EN},
		// Passed over: no weights.
		{"en;q=2, zh-TW;q=0.1", trace.ZhHant},
		{"en;q=1.001, zh-TW;q=0.1", trace.ZhHant},
		{"en;q=0.1234, zh-TW;q=0.1", trace.ZhHant},
		{"en;q=0.x, zh-TW;q=0.1", trace.ZhHant},
		{"en;q=, zh-TW;q=0.1", trace.ZhHant},
		{"en;q0.5, zh-TW;q=0.1", trace.ZhHant},
		{"en;level=1, zh-TW;q=0.1", trace.ZhHant},
		{";;,,;q=1,=,en", trace.EN},
	} {
		if got := preferred([][]byte{[]byte(c.accept)}); got != c.want {
			t.Errorf("Accept-Language %q: got %s, want %s", c.accept, got, c.want)
		}
	}
	if got := preferred(nil); got != trace.ZhHans {
		t.Errorf("no Accept-Language: got %s, want %s", got, trace.ZhHans)
	}
	if got := preferred([][]byte{[]byte("zh;q=0.1"), []byte("en;q=0.2")}); got != trace.EN {
		t.Errorf("two Accept-Language headers: got %s, want %s", got, trace.EN)
	}
}
