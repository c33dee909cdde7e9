package carriers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"waytrace/trace"
)

// pairText is a pair as answers show it; "" is none.
func pairText(p trace.Pair, found bool) string {
	switch {
	case !found:
		return ""
	case p.Sub == "":
		return p.Status.String()
	}
	return p.Status.String() + "." + p.Sub
}

func TestFromText(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		// Deliveries.
		{"已签收,签收人凭取货码签收。", "delivered.signed"},
		{"您的包裹已签收，签收人：本人。如有疑问请致电网点", "delivered.signed"},
		{"您的快递已签收, 签收人在【丰巢的东门柜2号柜(丰巢智能快递柜)】(东门柜2号柜)领取。", "delivered.locker"},
		{"【深圳某某二部】，已送达，有什么疑问可以随时联系我的电话152****0000 已签收", "delivered.signed"},
		{"快件已由 家人签收", "delivered.signed_by_other"},
		{"非本人签收", "delivered.signed_by_other"},
		{"包裹已由前台代签收，感谢使用", "delivered.reception"},
		{"已妥投", "delivered"},
		{"派件异常后签收", "delivered.after_exception"},
		{"客户已取走包裹", "delivered"},
		{"已在菜鸟驿站签收", "delivered.shop"},
		{"您的快件已簽收，簽收人：張先生", "delivered.signed"},
		{"無人機已將貨物投遞，客戶已簽收", "delivered.signed"},
		{"Delivered", "delivered"},
		{"Delivered, Front Door", "delivered"},
		{"Your parcel has been delivered and signed for by SMITH", "delivered.signed"},
		{"Parcel delivered to your neighbour", "delivered.neighbour"},
		{"Picked up by the customer at the shop", "delivered"},
		{"Left at front door", "delivered.safe_place"},

		// No deliveries, whatever their words.
		{"无法签收", "attempt_failed.general"},
		{"派送不成功", "attempt_failed.general"},
		{"您的快件派送不成功，原因【暂未联系上收件人】，预计下次派送时间为明天", "attempt_failed.no_contact"},
		{"签收失败，客户要求改日", "attempt_failed.general"},
		{"未妥投", "attempt_failed.general"},
		{"無法派送：收件地址不詳", "attempt_failed.address"},
		{"家中无人，稍后再试", "attempt_failed.not_home"},
		{"无人签收", "attempt_failed.not_home"},
		{"签收异常", "attempt_failed.general"},
		{"未签收", ""},
		{"超时未签收", ""},
		{"快件暂未派送", ""},
		{"请准备签收", ""},
		{"请您准备签收", ""},
		{"等待签收", ""},
		{"待签收", ""},
		{"安排签收", ""},
		{"如无法签收请联系快递员", ""},
		{"如需派送请致电", ""},
		{"Not yet delivered", ""},
		{"Your parcel will be delivered tomorrow", ""},
		{"To be delivered by 20:00", ""},
		{"Undelivered", ""},
		{"Unable to deliver, business closed", "attempt_failed.general"},
		{"Delivery attempted - no access to building", "attempt_failed.general"},
		{"We couldn't deliver your parcel", "attempt_failed.general"},
		{"No one was available to sign", "attempt_failed.not_home"},
		{"Delivery failed", "attempt_failed.general"},

		// With the courier.
		{"您的快件正在派送中，请您准备签收（快递员：***，联系电话：135****1234）。", "out_for_delivery"},
		{"【苏州市】 【某某四部】 的***（137****0000） 正在第1次派件, 请保持电话畅通,并耐心等待", "out_for_delivery"},
		{"湖南某某公司-某某小区(173****0000)-派件中", "out_for_delivery"},
		{"【***/152****0000】正在派件，【深圳某某二部/网点电话181****0000】", "out_for_delivery"},
		{"快件正在派送途中，請您準備簽收", "out_for_delivery"},
		{"揽投员正在安排投递", "out_for_delivery"},
		{"客户预约明日派送", "out_for_delivery.appointment"},
		{"Out for delivery", "out_for_delivery"},
		{"快件已到达【杭州滨江派件网点】", "in_transit.arrived"},
		{"等待派送", ""},
		{"暂停派送", ""},

		// Where it is fetched.
		{"快件已由小区3栋菜鸟驿站代收,请及时取件,如有疑问请联系173****0000", "available_for_pickup.shop"},
		{"快件已被【丰巢的东门丰巢柜2号柜(丰巢智能快递柜)】代收，如有问题请电联", "available_for_pickup.locker"},
		{"快件已暂存至快递柜，请凭取件码签收", "available_for_pickup.locker"},
		{"快件已送达【兔喜生活超市】，取件码将以短信发送", "available_for_pickup.shop"},
		{"您的包裹已到自提點，請憑取貨碼前來領取", "available_for_pickup.shop"},
		{"请凭取件码前往领取", "available_for_pickup"},
		{"驿站超时未取", "available_for_pickup.overdue"},
		{"Ready for pickup at the counter", "available_for_pickup"},
		{"Delivered to UPS Access Point", "available_for_pickup.shop"},

		// It begins.
		{"京东快递 已收取快件", "picked_up.collected"},
		{"您的快件已由【上海某某营业部】揽收完成", "picked_up.collected"},
		{"浙江某某公司-某某食品-已收件", "picked_up.collected"},
		{"【某某项目】已揽收", "picked_up.collected"},
		{"快遞員已攬收", "picked_up.collected"},
		{"Shipment picked up", "picked_up.collected"},
		{"揽收任务已分配给***", "pre_transit.courier_assigned"},
		{"等待揽收", "pre_transit.awaiting_pickup"},
		{"揽收失败，原因：客户取消", "pre_transit.pickup_failed"},
		{"商家已下单", "pre_transit.order_created"},
		{"Shipping label created", "pre_transit.label_created"},

		// It moves.
		{"您的快件已发车", "in_transit.departed"},
		{"您的快件由【上海某某分拣中心】准备发往【上海某某营业部】", "in_transit"},
		{"您的快件已到达【上海某某分拣中心】", "in_transit.arrived"},
		{"浙江杭州中转部-已发往-湖南长沙转运中心", "in_transit.departed"},
		{"已到达-湖南长沙转运中心", "in_transit.arrived"},
		{"到【青岛转运中心】", "in_transit.arrived"},
		{"【青岛转运中心】，正发往【广州转运中心】", "in_transit.departed"},
		{"快件离开 【昆山中心】 已发往 【常熟】", "in_transit.departed"},
		{"快件到達 【香港觀塘營業點】", "in_transit.arrived"},
		{"快件已到达西安未央区营业部", "in_transit.arrived"},
		{"预计到达", ""},
		{"未到达", ""},
		{"航班抵达目的国", "in_transit.arrived_country"},
		{"转投其他快递公司", "in_transit.handed_to_carrier"},
		{"Departed from facility in Leipzig", "in_transit.departed"},
		{"Arrived at sort facility", "in_transit.arrived"},
		{"Processed at hub", "in_transit"},

		// Customs.
		{"快件正在清关", "in_transit.customs_started"},
		{"清关未完成", "in_transit.customs_started"},
		{"海關已放行", "in_transit.customs_cleared"},
		{"被海关扣留", "exception.customs_hold"},
		{"Customs clearance completed", "in_transit.customs_cleared"},
		{"Held by customs", "exception.customs_hold"},

		// It comes back, or does not come at all.
		{"收件人拒收", "exception.refused"},
		{"客户拒收，快件退回中", "returning.general"},
		{"因客户拒收退回", "returning.refused"},
		{"退回件已签收", "returned.to_sender"},
		{"如需退回请联系", ""},
		{"Returned to sender", "returned.to_sender"},
		{"Being returned to sender", "returning.general"},
		{"Refused by recipient", "exception.refused"},
		{"包裹丢失", "lost.missing"},
		{"订单已取消", "cancelled"},
		{"寄件人取消寄件", "cancelled.by_shipper"},
		{"外包装破损", "exception.damaged"},

		// Refused, whatever else the words say.
		{"拒绝签收", "exception.refused"},
		{"客户拒绝签收", "exception.refused"},
		{"收件人拒绝签收", "exception.refused"},
		{"收件人拒絕簽收", "exception.refused"},
		{"拒绝接收", "exception.refused"},
		{"客户拒签", "exception.refused"},
		{"快件被拒，未妥投", "attempt_failed.general"},
		{"客户拒绝签收，快件退回", "returning.general"},

		// Taken back, in doubt, or wished for.
		{"取消签收", ""},
		{"撤销签收", ""},
		{"撤銷簽收", ""},
		{"误签收", ""},
		{"错误签收", ""},
		{"虚假签收", ""},
		{"虛假簽收", ""},
		{"签收状态更正,快件仍在途", "in_transit"},
		{"催促签收", ""},
		{"客户签收意愿待确认", ""},
		{"要求派件至代签收点", ""},
		{"收件人要求改天领取", ""},
		{"用户下单取走", ""},
		{"签收作废", ""},
		{"通知客户签收", ""},
		{"延迟签收", ""},
		{"可以签收了", ""},
		{"收件人自行领取", ""},
		{"包裹由收件人领取", "delivered"},
		{"从客户处取走快件", ""},
		{"验货无误后签收", "delivered.signed"},

		// Signed for by those who move it.
		{"仓库已签收", ""},
		{"入库签收", ""},
		{"上海分拨中心已签收", ""},
		{"【上海分拨中心】已签收", ""},
		{"快件已由网点签收", ""},
		{"已由承运商签收", ""},
		{"快递员已领取包裹", ""},
		{"快递员已取走快递柜中的包裹", ""},
		{"已到达代签收点", "in_transit.arrived"},
		{"【杭州滨江营业部】已签收", "delivered.signed"},
		{"【杭州滨江营业部】已妥投", "delivered"},
		{"快递员已送达", "delivered"},

		// At a hub, or with another carrier.
		{"快件已送达上海转运中心", "in_transit.arrived"},
		{"货物已送达机场", "in_transit.arrived"},
		{"快件已送达派送网点", "in_transit.arrived"},
		{"包裹已送达营业部", "in_transit.arrived"},
		{"包裹已送達營業部", "in_transit.arrived"},
		{"快件已送达目的港口", "in_transit.arrived"},
		{"快件已送达上海", ""},
		{"快件已送达客户手中", "delivered"},
		{"已送达前台", "delivered.reception"},
		{"快件已交付客户", "delivered"},
		{"快件已交付航空公司", "in_transit.handed_to_carrier"},
		{"已交付承运商", "in_transit.handed_to_carrier"},
		{"已交付邮政,等待配送", "in_transit.handed_to_carrier"},

		// The same in English.
		{"Delivered to local carrier", "in_transit.handed_to_carrier"},
		{"Delivered to USPS", "in_transit.handed_to_carrier"},
		{"Delivered to airline", "in_transit.handed_to_carrier"},
		{"Delivered to Agent for Final Delivery", "in_transit.handed_to_carrier"},
		{"Delivered to customs", "in_transit.customs_started"},
		{"Delivered to hub", "in_transit.arrived"},
		{"Delivered to terminal", "in_transit.arrived"},
		{"Delivered to sorting centre", "in_transit.arrived"},
		{"Delivered to shipper", "returned.to_sender"},
		{"Delivered to sender", "returned.to_sender"},
		{"Delivered, To Original Sender", "returned.to_sender"},
		{"Return delivered to sender", "returned.to_sender"},
		{"Being delivered to sender", ""},
		{"Delivered in error", ""},
		{"Delivered soon", ""},
		{"Delivered by end of day", ""},
		{"Delivered to branch", ""},
		{"Delivered to store for collection", ""},
		{"Delivered to export gateway", ""},
		{"Delivered scan cancelled", ""},
		{"Signed for by sender", "returned.to_sender"},
		{"Parcel to get delivered", ""},
		{"Package has left the garage", "in_transit.departed"},
		{"Signed for by carrier", ""},
		{"Signed for by warehouse", ""},
		{"Delivered by local carrier", "delivered"},
		{"Delivered to recipient by USPS", "delivered"},
		{"Delivered to reception", "delivered.reception"},
		{"Signed for by SMITH", "delivered.signed"},
		{"Package left in garage", "delivered.safe_place"},

		// A courier says that it worked.
		{"派送成功", "delivered"},
		{"投递成功", "delivered"},
		{"派送未成功", "attempt_failed.general"},
		{"投递不成功", "attempt_failed.general"},
		{"预约派送成功", "out_for_delivery.appointment"},
		{"已投递到信报箱", "delivered.safe_place"},
		{"快件已投递至丰巢柜", "available_for_pickup.locker"},
		{"退货已签收", "returned.to_sender"},
		{"退回件已由寄件人签收", "returned.to_sender"},
		{"寄件人已签收", "returned.to_sender"},
		{"通知寄件人签收", ""},
		{"退件已由网点签收", "returning.general"},

		{"", ""},
		{"快递司机收箱", ""},
		{"感谢使用，期待再次为您服务", ""},
		{"，。！", ""},
		{"\xff签收\xfe", "delivered.signed"},
	} {
		if got := pairText(FromText(c.text)); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
}

// Every rule is reached by its example, so none is dead, and each pair is one that
// package trace can keep.
func TestTextRules(t *testing.T) {
	for i, rule := range textRules {
		clauses := appendClauses(nil, rule.example)
		first := -1
		for j := range textRules {
			for k := range clauses {
				if first < 0 && textRules[j].fits(&clauses[k]) {
					first = j
				}
			}
		}
		if first != i {
			t.Errorf("rule %d %s: its example %q is for rule %d", i, pairText(rule.pair, true), rule.example, first)
		}
		if rule.pair.Status == trace.Unknown || !trace.ValidSub(rule.pair.Sub) || len(rule.has) == 0 {
			t.Errorf("rule %d: %+v", i, rule)
		}
	}
}

// What is drawn from a text is a promise between nodes of one version. When this
// fails, raise TextVersion and add a line; never change one.
var textHashes = map[uint32]string{
	1: "e543729768bc9c8c",
	2: "b8ae19dfbd57e13e",
}

func TestTextVersion(t *testing.T) {
	sum := sha256.Sum256(fmt.Append(nil, textRules, negations, noNegations, foretellings, conditions, traditionalPairs,
		denials, outletWords, handedWords, carrierWords, courierWords, takenWords, givenWords, beforeWhom, strangers))
	if got := hex.EncodeToString(sum[:8]); got != textHashes[TextVersion] {
		t.Errorf("words.go: hash %s, version %d has %q", got, TextVersion, textHashes[TextVersion])
	}
}

func TestTraditional(t *testing.T) {
	for from, to := range traditional {
		if from == to {
			t.Errorf("%c stands for itself", from)
		}
		if again, ok := traditional[to]; ok {
			t.Errorf("%c becomes %c, which becomes %c", from, to, again)
		}
	}
	if n := utf8.RuneCountInString(traditionalPairs); n != 2*len(traditional) {
		t.Errorf("%d characters make %d pairs: one stands there twice", n, len(traditional))
	}
}

// A text is never read for longer than it takes to read its first clauses.
func TestLongTexts(t *testing.T) {
	for _, text := range []string{strings.Repeat("，在", 5000), strings.Repeat("【", 5000), strings.Repeat(" a", 5000)} {
		if p, found := FromText(text); found {
			t.Errorf("%.20q…: %v", text, p)
		}
		if n := len(appendClauses(nil, text)); n > maxClauses {
			t.Errorf("%.20q…: %d clauses", text, n)
		}
	}
	if p, found := FromText(strings.Repeat("好，", maxClauses) + "已签收"); found {
		t.Errorf("a clause beyond the last that is read: %v", p)
	}
}

func FuzzFromText(f *testing.F) {
	for _, rule := range textRules {
		f.Add(rule.example)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, found := FromText(text)
		if found != (p.Status != trace.Unknown) {
			t.Errorf("%q: %v, found %t", text, p, found)
		}
		for _, c := range appendClauses(nil, text) {
			if !utf8.ValidString(c.text) {
				t.Errorf("%q: clause %q", text, c.text)
			}
		}
	})
}

func BenchmarkFromText(b *testing.B) {
	for name, text := range map[string]string{
		"transit":   "【苏州市】 快件离开 【昆山转运中心】 已发往 【常熟某某四部】",
		"delivered": "您的快递已签收, 签收人在【丰巢的东门柜2号柜(丰巢智能快递柜)】(东门柜2号柜)领取。如有疑问请电联:（137****0000）",
		"none":      "感谢使用，期待再次为您服务",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				FromText(text)
			}
		})
	}
}
