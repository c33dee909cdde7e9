package carriers

import (
	"strings"
	"testing"

	"waytrace/trace"
)

func TestCodeOf(t *testing.T) {
	for _, c := range []struct {
		by         Naming
		name, want string
	}{
		{Kuaidi100, "shunfeng", "sf"},
		{Kuaidi100, "Yuantong", "yto"},
		{Kuaidi100, "huitongkuaidi", "best"},
		{Kuaidi100, "debangkuaidi", "deppon"},
		{Kuaidi100, "debangwuliu", "deppon-freight"},
		{Kuaidi100, "youzhengguonei", "chinapost"},
		{Kuaidi100, " jd ", "jd"},
		{Kuaidi100, "disifang", "fourpx"},
		{Kuaidi100, "canpost", "canadapost"},
		{Kuaidi100, "fedex", "fedex"},
		{Kuaidi100, "lianbangkuaidi", "fedex"},
		{Kuaidi100, "fedexcn", "fedex"},
		{Kuaidi100, "dhlen", "dhl"},
		{Kuaidi100, "chinapost", "chinapost"},
		{Kuaidi100, "fedex fedexcn", "x-fedex-fedexcn"},
		{ByBrand, "China", "x-china"},
		{Kdniao, "FEDEX_GJ", "fedex"},
		{Kdniao, "HTKY", "best"},
		{Kdniao, "htky", "best"},
		{Kdniao, "YD", "yunda"},
		{Kdniao, "JTSD", "jtexpress"},
		{Kdniao, "DBL", "deppon"},
		{Kdniao, "YZPY", "chinapost"},
		{Kdniao, "FedEx", "fedex"},
		{Kdniao, "DHL_DE", "dhl-de"},
		{ByBrand, "J&T EXPRESS", "jtexpress"},
		{ByBrand, "17track", "seventeentrack"},
		{Ours, "ZTO", "zto"},

		// What one calls a carrier says nothing of what the other calls it.
		{Kdniao, "shunfeng", "x-shunfeng"},
		{Kuaidi100, "SF", "x-sf"},
		{Kuaidi100, "yamaxunwuliu", "x-yamaxunwuliu"},
		{Kuaidi100, "some_carrier.x y", "x-some-carrier-x-y"},
		{Kdniao, "ZY_HTAO", "x-zy-htao"},
		{Kuaidi100, "-odd-", "x-odd"},

		// In Chinese, as brands alone are.
		{ByBrand, "顺丰", "sf"},
		{ByBrand, " 顺丰速运 ", "sf"},
		{ByBrand, "顺丰速运有限公司", "sf"},
		{ByBrand, "中通", "zto"},
		{ByBrand, "中通快递", "zto"},
		{ByBrand, "中通速递", "zto"},
		{ByBrand, "中通快递股份有限公司", "zto"},
		{ByBrand, "中通express", "zto"},
		{ByBrand, "中通 Express", "zto"},
		{ByBrand, "中通快运", "zto-freight"},
		{ByBrand, "中通快运公司", "zto-freight"},
		{ByBrand, "中通国际快递", "zto-international"},
		{ByBrand, "中通国际", "zto-international"},
		{ByBrand, "德邦快递", "deppon"},
		{ByBrand, "德邦物流", "deppon-freight"},
		{ByBrand, "联邦", "fedex"},
		{ByBrand, "联邦快递", "fedex"},
		{ByBrand, "敦豪", "dhl"},
		{ByBrand, "敦豪快递", "dhl"},
		{ByBrand, "邮政EMS", "ems"},
		{ByBrand, "中国邮政集团公司", "chinapost"},
		{ByBrand, "快递100", "kuaidi100"},
		{ByBrand, "京东 快运", "jd-freight"},

		// Chinese and Latin.
		{ByBrand, "顺丰 SF Express", "sf"},
		{ByBrand, "SF Express 顺丰", "sf"},
		{ByBrand, "SF速运", "sf"},
		{ByBrand, "圆通YTO", "yto"},
		{ByBrand, "YTO圆通速递", "yto"},
		{ByBrand, "中通（ZTO）", "zto"},
		{ByBrand, "(ZTO) 中通快递", "zto"},
		{ByBrand, "FedEx联邦快递", "fedex"},
		{ByBrand, "极兔速递/J&T Express", "jtexpress"},
		{ByBrand, "联邦快递 FedEx International Priority", "fedex"},
		{ByBrand, "上海 中通快递", "zto"},
		{ByBrand, "圆通 中通", ""},
		{ByBrand, "顺丰DHL", ""},

		// Not of the trade's words alone, not of a carrier's first letters, and not by
		// another's naming.
		{ByBrand, "快递", ""},
		{ByBrand, "中通冷链", ""},
		{ByBrand, "顺丰同城", ""},
		{ByBrand, "跨越", ""},
		{ByBrand, "某某速递ABC", ""},
		{ByBrand, "某某EXPRESS", ""},
		{Kuaidi100, "顺丰", ""},
		{Kdniao, "中通快递", ""},

		// What a code cannot hold is not left out of it.
		{ByBrand, "A&B Cargo", ""},
		{ByBrand, "Étoile", ""},
		{ByBrand, "Some Cargo", "x-some-cargo"},
		{Kuaidi100, "yuantong+", ""},
		{Kuaidi100, "yuan\x00tong", ""},
		{Kdniao, "圆通YT", ""},
		{Kuaidi100, "快递", ""},
		{Kuaidi100, "", ""},
		{Kuaidi100, " - ", ""},
		{Kuaidi100, strings.Repeat("a", 30), "x-" + strings.Repeat("a", 30)},
		{Kuaidi100, strings.Repeat("a", 31), ""},
	} {
		got := CodeOf(c.by, c.name)
		if got != c.want {
			t.Errorf("CodeOf(%d, %q) = %q, want %q", c.by, c.name, got, c.want)
		}
		if got != "" && !trace.ValidCarrier(got) {
			t.Errorf("CodeOf(%d, %q) = %q, which is no code", c.by, c.name, got)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	for _, c := range []struct {
		by    Naming
		name  string
		count uint64
	}{
		{Kuaidi100, "yuantong", 0}, {Kuaidi100, "nonesuch", 1}, {Kuaidi100, "没有", 1}, {Kuaidi100, "", 0}, {Kuaidi100, "  ", 0},
		{Kdniao, "YTO", 0}, {Kdniao, "NONESUCH", 1}, {ByBrand, "圆通速递", 0}, {ByBrand, "没有速递", 1}, {Ours, "yto", 0}, {Ours, "nonesuch", 1},
	} {
		before := unknownNames[c.by].Get()
		CodeOf(c.by, c.name)
		if got := unknownNames[c.by].Get() - before; got != c.count {
			t.Errorf("CodeOf(%d, %q) is counted %d times, want %d", c.by, c.name, got, c.count)
		}
	}
}

// Every name in the table leads to its own row, and no brand is missing.
func TestCodes(t *testing.T) {
	if len(companies) < 100 {
		t.Errorf("%d carriers in codes.csv, want 100 and more", len(companies))
	}
	for _, c := range companies {
		for by := range namings {
			names := c.names(by)
			asked := by
			if by == chinese {
				asked = ByBrand
			}
			for _, name := range names {
				if got := CodeOf(asked, name); got != c[Ours] {
					t.Errorf("codes.csv: %q leads to %q, not to %q", name, got, c[Ours])
				}
			}
			if strings.Join(names, " ") != c[by] {
				t.Errorf("codes.csv: %q: there is one blank between two names", c[by])
			}
		}
		if c[ByBrand] == "" || BrandOf(c[Ours]) != c[ByBrand] {
			t.Errorf("codes.csv: the brand of %q is %q, found as %q", c[Ours], c[ByBrand], BrandOf(c[Ours]))
		}
		if strings.HasPrefix(c[Ours], "x-") {
			t.Errorf("codes.csv: %q looks like a carrier that the table does not have", c[Ours])
		}
		if c[Kuaidi100] != strings.ToLower(c[Kuaidi100]) || c[Kdniao] != strings.ToUpper(c[Kdniao]) {
			t.Errorf("codes.csv: %q: a com is written small, a ShipperCode large", c[Ours])
		}
	}
}

func TestBrandOf(t *testing.T) {
	for code, want := range map[string]string{"jtexpress": "J&T Express", "bpost": "bpost", "fourpx": "4PX", "x-shunfeng": "", "": ""} {
		if got := BrandOf(code); got != want {
			t.Errorf("BrandOf(%q) = %q, want %q", code, got, want)
		}
	}
}

func TestReadCompanies(t *testing.T) {
	const head = "code,brand,zh,kuaidi100,kdniao\n"
	for name, table := range map[string]string{
		"other columns":       "code,brand,zh,kdniao,kuaidi100\nsf,SF Express,,SF,shunfeng\n",
		"a column less":       "code,brand,zh,kuaidi100\nsf,SF Express,,shunfeng\n",
		"a code twice":        head + "sf,A,,,\nsf,B,,,\n",
		"a com twice":         head + "a,A,,x,\nb,B,,x,\n",
		"a further com twice": head + "a,A,,x y,\nb,B,,z y,\n",
		"one com twice":       head + "a,A,,x X,\n",
		"a code of two words": head + "a b,A,,,\n",
		"a ShipperCode twice": head + "a,A,,,X\nb,B,,,x\n",
		"a brand twice":       head + "a,One,,,\nb,ONE,,,\n",
		"a zh twice":          head + "a,A,圆通 顺丰,,\nb,B,顺丰,,\n",
		"no code":             head + "S F,SF Express,,,\n",
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if said, _ := recover().(string); !strings.HasPrefix(said, "BUG: carriers/codes.csv: ") {
					t.Errorf("read without complaint, or said %q", said)
				}
			}()
			readCompanies([]byte(table))
		})
	}
}
