package bench

import (
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"waytrace/trace"
)

// parcels makes up waybills and their scans as SF's pushes tell them: any event
// of any parcel at any time, the same each time it is asked. Texts, cities and
// people repeat as often as in life, so that they compress as they would there.
//
// Of the first set parcels every fourth is delivered by its eighth event; the
// others stay under way for as many events as are asked for. Parcels behind
// them are delivered by their tenth.
type parcels struct {
	set   int
	began int64  // seconds since 1970; everything happened before
	first uint64 // where the numbers begin
}

// newParcels makes up parcels. Those of two seeds have hardly ever a number in
// common; the numbers of seed 0 begin at the beginning.
func newParcels(set int, began time.Time, seed uint64) *parcels {
	p := &parcels{set: set, began: began.Unix()}
	if seed != 0 {
		p.first = mix(seed) % thirteenDigits
	}
	return p
}

// eventsLoaded is how many events each parcel of the set is loaded with;
// eventsOfNew how many a parcel behind it has.
const (
	eventsLoaded = 8
	eventsOfNew  = 10
)

// delivered reports whether a parcel of the set is delivered by its last loaded
// event, so that no later one fits it.
func (p *parcels) delivered(i int) bool { return i%4 == 0 }

const numberLength = len("SF0000000000000")

// appendNumber appends the number of parcel i. Neighbours get numbers far
// apart: parcels that are born together do not lie together on disk.
func (p *parcels) appendNumber(dst []byte, i int) []byte {
	return appendDigits(append(dst, "SF"...), p.digits(i), 13)
}

const thirteenDigits = 10_000_000_000_000

// digits are the thirteen that tell parcel i from others.
func (p *parcels) digits(i int) uint64 {
	const stride = 6_180_339_887_499 // no common factor with thirteenDigits, so no two parcels share a number
	hi, lo := bits.Mul64((p.first+uint64(i)+1)%thirteenDigits, stride)
	_, n := bits.Div64(hi, lo, thirteenDigits)
	return n
}

// A scan is one event as SF tells it.
type scan struct {
	code    string
	address string
	remark  [7]string // one after the other
	at      int64     // local time, as seconds since 1970
	id      uint64    // fifteen digits
	order   uint64    // of the parcel, ten digits
}

// scan makes up event k of parcel i.
func (p *parcels) scan(i, k int) scan {
	switch {
	case i >= p.set:
		return p.story(i, k, eventsOfNew)
	case p.delivered(i):
		return p.story(i, k, eventsLoaded)
	}
	return p.story(i, k, underWay)
}

// underWay is how many events a parcel has that is never delivered.
const underWay = 1 << 30

// story makes up event k of parcel i, which is delivered by the last of so many.
func (p *parcels) story(i, k, end int) scan {
	parcel := mix(uint64(i))
	chance := mix(parcel + uint64(k))

	const day = 86_400
	begin := p.began + 8*3600 - 90*day + int64(parcel%(60*day))
	s := scan{
		// Forty minutes and some: a thousand events later it is still the past.
		at:    begin + int64(k)*2400 + int64(chance%1800),
		order: parcel >> 20 % 10_000_000_000,
	}
	s.id = uint64(s.at-8*3600)*100_000 + chance>>32%100_000

	// Each three events are a leg between two hubs; the last three are at the place of delivery.
	from, to := p.stop(parcel, max(k/3-1, 0)), p.stop(parcel, k/3)
	here := from
	if k%3 == 2 {
		here = to
	}
	if k >= end-3 {
		here = p.stop(parcel, (end-3)/3)
	}
	s.address = here.city

	who := &couriers[chance>>16%uint64(len(couriers))]
	city, street, kind := here.station(chance)
	switch {
	case k == 0:
		s.code, s.remark = "50", [7]string{"顺丰速运 已收取快件"}
	case k == end-3:
		s.code, s.remark = "44", [7]string{"快件到达【", city, street, kind, "】,正在安排派送"}
	case k == end-2:
		s.code, s.remark = "204", [7]string{"快件已交给", who.name, "派送,联系电话", who.phone, ",请保持电话畅通"}
	case k >= end-1:
		s.code, s.remark = "80", [7]string{"快件已签收,签收人:", received[chance>>40%uint64(len(received))], ",感谢您选择顺丰,期待再次为您服务"}
	case k == 1:
		s.code, s.remark = "30", [7]string{"快件在【", city, street, kind, "】完成分拣,准备发往【", here.hub, "】"}
	case k%3 == 2:
		s.code, s.remark = "31", [7]string{"快件到达【", here.hub, "】"}
	case k%3 == 0:
		s.code, s.remark = "30", [7]string{"快件在【", from.hub, "】完成分拣,准备发往【", to.hub, "】"}
	default:
		s.code, s.remark = "36", [7]string{"快件已从【", from.hub, "】发车,下一站【", to.hub, "】"}
	}
	return s
}

// stop is the place of a parcel's n-th hub.
func (p *parcels) stop(parcel uint64, n int) *place {
	all := uint64(len(places))
	return &places[(parcel>>8%all+uint64(n)*(1+parcel>>24%(all-1)))%all]
}

// appendRoute appends event k of parcel i as an element of SF's WaybillRoute.
func (p *parcels) appendRoute(dst []byte, i, k int) []byte {
	s := p.scan(i, k)
	dst = append(dst, `{"mailno":"`...)
	dst = p.appendNumber(dst, i)
	dst = append(dst, `","acceptAddress":"`...)
	dst = append(dst, s.address...)
	dst = append(dst, `","reasonName":"","orderid":"`...)
	dst = s.appendOrder(dst)
	dst = append(dst, `","acceptTime":"`...)
	dst = s.appendTime(dst)
	dst = append(dst, `","remark":"`...)
	dst = s.appendRemark(dst)
	dst = append(dst, `","opCode":"`...)
	dst = append(dst, s.code...)
	dst = append(dst, `","id":"`...)
	dst = strconv.AppendUint(dst, s.id, 10)
	return append(dst, `","reasonCode":""}`...)
}

// appendPush appends the body of a push with these events.
func (p *parcels) appendPush(dst []byte, events []pick) []byte {
	dst = append(dst, `{"Body":{"WaybillRoute":[`...)
	for n, e := range events {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = p.appendRoute(dst, e.parcel, e.event)
	}
	return append(dst, `]}}`...)
}

// event appends event k of parcel i to facts as SF's dialect reads it, and
// seals it: its value is what the store keeps.
func (p *parcels) event(facts *trace.Facts, i, k int) *trace.Event {
	s := p.scan(i, k)
	e := facts.Event()
	e.Waybill = trace.Waybill{Number: string(p.appendNumber(nil, i)), Carrier: "sf"}
	e.Source, e.Code = "sf", s.code
	e.At = trace.Time{Local: s.at * 1000, Offset: trace.China, Zone: trace.ZoneCarrier, Raw: string(s.appendTime(nil))}
	e.Place.Address = s.address
	e.Text = trace.Text{Text: string(s.appendRemark(nil)), Lang: "zh-Hans"}
	e.TextEdits = true
	e.Pair = pairs[s.code]
	e.Table = 1
	e.CarrierID = strconv.FormatUint(s.id, 10)
	e.References = []trace.Reference{{Account: trace.DefaultAccount, Text: string(s.appendOrder(nil))}}
	facts.Seal(e, trace.HLCAt(p.began*1000-int64(s.id%1_000_000_000)))
	return e
}

func (s *scan) appendTime(dst []byte) []byte {
	return time.Unix(s.at, 0).UTC().AppendFormat(dst, time.DateTime)
}

func (s *scan) appendRemark(dst []byte) []byte {
	for _, part := range s.remark {
		dst = append(dst, part...)
	}
	return dst
}

func (s *scan) appendOrder(dst []byte) []byte {
	return appendDigits(append(dst, "DD2026"...), s.order, 10)
}

func appendDigits(dst []byte, n uint64, digits int) []byte {
	for range digits {
		dst = append(dst, '0')
	}
	for at := len(dst) - 1; n > 0; at, n = at-1, n/10 {
		dst[at] = byte('0' + n%10)
	}
	return dst
}

// mix scatters a number over all 64 bits (the finalizer of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// A place is a city on the way, with its sorting hub.
type place struct{ city, short, hub string }

// station names one of the city's stations: its street and its kind.
func (p *place) station(chance uint64) (city, street, kind string) {
	return p.short, streets[chance%uint64(len(streets))], kinds[chance>>8%uint64(len(kinds))]
}

var places = []place{
	{"深圳市", "深圳", "深圳宝安集散中心"}, {"广州市", "广州", "广州白云集散中心"}, {"东莞市", "东莞", "东莞虎门集散中心"},
	{"佛山市", "佛山", "佛山南海集散中心"}, {"杭州市", "杭州", "杭州萧山集散中心"}, {"义乌市", "义乌", "金华义乌集散中心"},
	{"宁波市", "宁波", "宁波北仑集散中心"}, {"温州市", "温州", "温州龙湾集散中心"}, {"上海市", "上海", "上海青浦集散中心"},
	{"苏州市", "苏州", "苏州相城集散中心"}, {"南京市", "南京", "南京江宁集散中心"}, {"无锡市", "无锡", "无锡硕放集散中心"},
	{"北京市", "北京", "北京顺义集散中心"}, {"天津市", "天津", "天津武清集散中心"}, {"石家庄市", "石家庄", "石家庄正定集散中心"},
	{"太原市", "太原", "太原武宿集散中心"}, {"武汉市", "武汉", "武汉东西湖集散中心"}, {"长沙市", "长沙", "长沙黄花集散中心"},
	{"南昌市", "南昌", "南昌昌北集散中心"}, {"成都市", "成都", "成都双流集散中心"}, {"重庆市", "重庆", "重庆渝北集散中心"},
	{"贵阳市", "贵阳", "贵阳龙洞堡集散中心"}, {"西安市", "西安", "西安咸阳集散中心"}, {"兰州市", "兰州", "兰州中川集散中心"},
	{"郑州市", "郑州", "郑州航空港集散中心"}, {"洛阳市", "洛阳", "洛阳涧西集散中心"}, {"济南市", "济南", "济南历城集散中心"},
	{"青岛市", "青岛", "青岛胶州集散中心"}, {"临沂市", "临沂", "临沂兰山集散中心"}, {"厦门市", "厦门", "厦门翔安集散中心"},
	{"福州市", "福州", "福州长乐集散中心"}, {"泉州市", "泉州", "泉州晋江集散中心"}, {"合肥市", "合肥", "合肥新桥集散中心"},
	{"沈阳市", "沈阳", "沈阳桃仙集散中心"}, {"大连市", "大连", "大连周水子集散中心"}, {"长春市", "长春", "长春龙嘉集散中心"},
	{"哈尔滨市", "哈尔滨", "哈尔滨太平集散中心"}, {"昆明市", "昆明", "昆明长水集散中心"}, {"南宁市", "南宁", "南宁吴圩集散中心"},
	{"海口市", "海口", "海口美兰集散中心"}, {"乌鲁木齐市", "乌鲁木齐", "乌鲁木齐地窝堡集散中心"},
}

var streets = []string{
	"人民路", "解放路", "中山路", "建设路", "和平路", "新华路", "文化路", "胜利路", "东风路", "光明路",
	"振兴路", "迎宾路", "长江路", "黄河路", "体育路", "学府路", "花园路", "工业园", "科技园", "软件园",
	"大学城", "高新区", "开发区", "火车站", "客运站", "商贸城", "奥体中心", "万达广场", "会展中心", "滨江",
	"城南", "城北", "城东", "城西", "西湖", "南湖", "东湖", "桥头", "石桥", "龙泉",
	"金沙", "凤凰", "翠竹", "梅林", "银杏", "松山", "清河", "沙河", "五里", "三里屯",
}

var kinds = []string{"营业点", "营业部", "速运营业点", "速运营业部"}

var received = []string{"本人", "家人", "前台", "物业", "门卫", "同事", "菜鸟驿站", "丰巢柜"}

// couriers are names out of common parts and telephone numbers with their
// middle hidden, as messages to consignees have them.
var couriers = func() (list [400]struct{ name, phone string }) {
	family := []string{"王", "李", "张", "刘", "陈", "杨", "黄", "赵", "周", "吴", "徐", "孙", "马", "朱", "胡", "林", "郭", "何", "高", "罗"}
	given := []string{"伟", "强", "磊", "军", "勇", "杰", "涛", "超", "明", "刚", "平", "辉", "鹏", "华", "飞", "鑫", "波", "斌", "宇", "浩"}
	for i := range list {
		n := mix(uint64(i))
		list[i].name = family[i%len(family)] + given[i/len(family)]
		list[i].phone = fmt.Sprintf("1%d%d****%04d", 3+n%7, n>>8%10, n>>16%10_000)
	}
	return list
}()

// pairs are what SF's code table makes of the codes above.
var pairs = map[string]trace.Pair{
	"50":  {Status: trace.PickedUp, Sub: "collected"},
	"30":  {Status: trace.InTransit},
	"31":  {Status: trace.InTransit, Sub: "arrived"},
	"36":  {Status: trace.InTransit, Sub: "departed"},
	"44":  {Status: trace.OutForDelivery},
	"204": {Status: trace.OutForDelivery},
	"80":  {Status: trace.Delivered, Sub: "signed"},
}
