package carriers

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"waytrace/trace"
)

// TextVersion is the version of the rules of FromText. It grows by one with
// every change of them; a dialect that uses them adds it to the version of its
// own table.
const TextVersion = 2

// FromText draws a status from what a source wrote of an event in Chinese,
// simplified or traditional, or English: a fallback for events without a code.
// found is false where the text is not understood. An event with such a pair is
// Provisional.
//
// The text is taken apart into clauses, and each rule asks them for its words, in
// the order of the table: the first rule that finds a clause counts. What did not
// happen, or is asked for, promised or explained, counts for nothing unless a
// rule wants just that: 无法签收, 请您准备签收 and "not delivered" are no delivery. Nor is
// one what was taken back, or what another than the consignee was given: 误签收,
// 上海分拨中心已签收, "delivered to carrier".
func FromText(text string) (p trace.Pair, found bool) {
	var room [16]clause
	clauses := appendClauses(room[:0], text)
	for i := range textRules {
		for j := range clauses {
			if textRules[i].fits(&clauses[j]) {
				return textRules[i].pair, true
			}
		}
	}
	return trace.Pair{}, false
}

// maxClauses is how many clauses of a text are read: what happened stands first.
const maxClauses = 32

// A clause is a piece of a text between marks or blanks, in small letters and
// simplified characters, a blank in front and behind.
type clause struct {
	text     string
	negated  bool // it says that something did not happen, or could not
	foretold bool // it asks, promises, plans or explains
}

// A textRule says what a clause means that has a word of each list and none that
// speaks against it. No rule of a delivery or a return takes one that is denied.
type textRule struct {
	pair     trace.Pair
	has      [][]string
	not      []string
	negated  bool // also where the clause is negated: the words hold their own negation
	foretold bool // also where it is foretold
	example  string
}

func (r *textRule) fits(c *clause) bool {
	if c.negated && !r.negated || c.foretold && !r.foretold || hasAny(c.text, r.not) {
		return false
	}
	for _, words := range r.has {
		if !hasAny(c.text, words) {
			return false
		}
	}
	ends := r.pair.Status == trace.Delivered || r.pair.Status == trace.Returned
	return !ends || !isDenied(c.text)
}

func hasAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// negations say that something did not happen. "非" is not among them: 非本人签收
// is a delivery.
var negations = []string{
	"未", "无法", "不", "没", "失败", "无人", "异常", "暂停", "停止", "终止",
	" not ", "n't ", " cannot ", " unable ", " failed ", " failure ", " unsuccessful", " undeliver", " no one ", " nobody ", " exception ",
}

// noNegations are words that hold a negation and are none: a district of Xi'an,
// machines without a driver, and politeness.
var noNegations = []string{"未央", "无人机", "无人车", "无人柜", "不便"}

func isNegated(s string) bool {
	if !hasAny(s, negations) {
		return false
	}
	for _, w := range noNegations {
		s = strings.ReplaceAll(s, w, "")
	}
	return hasAny(s, negations)
}

// foretellings say that something is still to come, is wished for, or is spoken of
// in general.
var foretellings = []string{
	"请", "准备", "等待", "等候", "待签", "待收", "待派", "待揽", "待取", "待客户", "待您", "即将", "将于", "将为", "将在", "将由", "将发", "将派",
	"预计", "安排", "计划", "尽快", "及时", "方便", "以便", "下次", "再次", "改约", "预约", "任务", "视为",
	" please ", " will be ", " to be ", " scheduled ", " expected ", " estimated ", " awaiting ", " pending ", " once ",
	" preparing ", " should ", " ready for ", " may ", " can be ", " could ", " would ", " must ", " soon ", " shortly ", " tomorrow ", " end of day ", " to get ",
}

// denials say of a delivery that it was taken back, is in doubt or only wished for, or
// was made to somebody who is no consignee: to a hub, a warehouse, another carrier.
var denials = slices.Concat([]string{
	"拒", "取消", "撤销", "撤回", "作废", "无效", "误签", "误投", "错签", "错投", "错误签收", "签收错误", "有误", "虚假", "假签", "冒签", "预签收", "疑似", "更正", "更改", "修改", "变更",
	"催", "督促", "通知客户", "通知收件人", "通知寄件人", "通知签收", "提醒客户", "提醒收件人", "提醒寄件人", "提醒签收", "联系客户", "联系收件人",
	"意愿", "愿意", "待确认", "要求", "申请", "希望", "改天", "改日", "改期", "延迟", "推迟", "延期", "延后", "暂缓", "下单", "可签收", "可以签收", "才能签收", "代签收点", "代签点",
	" in error ", " by mistake ", " incorrectly ", " wrongly ", " wrong ", " almost ", " nearly ", " cancel", " revers", " void", " for collection ", " for pickup ", " for pick-up ",
}, hubWords)

// isDenied reports whether denials are in a clause. What is delivered at an outlet, as
// the name in front of 【杭州滨江营业部】已签收 says, is with the consignee; what it signs
// for itself is not. Of English it counts to whom it was delivered, and who signed.
func isDenied(s string) bool {
	if hasAny(s, denials) || hasAny(s, handedWords) && hasAny(s, carrierWords) || hasAny(s, courierWords) && hasAny(s, takenWords) && !hasAny(s, givenWords) {
		return true
	}
	behind := s
	if strings.HasPrefix(s, " 【") {
		_, behind, _ = strings.Cut(s, "】")
	}
	if hasAny(behind, outletWords) {
		return true
	}
	for _, before := range beforeWhom {
		_, whom, _ := strings.Cut(s, before)
		whom, _, _ = strings.Cut(" "+whom, " by ")
		if hasAny(whom+" ", strangers) {
			return true
		}
	}
	return false
}

// conditions begin what may be or not: such a clause is not read.
var conditions = []string{" 如", "如果", "如有", "如需", "如遇", "如无", "如未", " 若", "是否", " if ", " in case "}

// Words that several rules ask for.
var (
	deliveryWords = []string{"派送", "派件", "配送", "投递", "送货", "妥投", "签收", "送达", " deliver", " redeliver"}
	failureWords  = []string{"失败", "不成功", "未成功", "未能", "无法", "异常", "未妥投",
		" not ", "n't ", " cannot ", " unable ", " failed ", " failure ", " unsuccessful", " undeliver", " exception "}
	lockerWords  = []string{"快递柜", "自提柜", "智能柜", "丰巢", "柜机", " locker"}
	shopWords    = []string{"驿站", "代收点", "自提点", "代办点", "代理点", "便利店", "快递超市", "兔喜", " access point", " pickup point", " pick-up point", " collection point", " parcel shop", " parcelshop"}
	customsWords = []string{"清关", "通关", "海关", "报关", " customs", " clearance"}
	returnWords  = []string{"退回", "退件", "退货", "退返", "返回寄件", " return"}
	driverWords  = []string{"派送", "派件", "配送", "投递", "送货上门"}
	refusalWords = []string{"拒收", "拒签", "拒绝签收", "拒绝接收", "拒绝收", " refused ", " rejected by "}

	// Where a parcel is on its way, and no consignee is.
	hubWords = []string{"分拨", "转运中心", "转运场", "中转", "分拣", "集散", "处理中心", "操作中心", "配送中心", "枢纽", "机场", "航空", "口岸", "海关", "货站", "货运站", "码头", "港口", "车站",
		"仓库", "入库", "出库", "库房", "海外仓", "保税仓", "集运仓", "承运商", "承运人", "快递公司", "物流公司", "货代"}
	// Where couriers start from.
	outletWords = []string{"网点", "营业部", "营业厅", "营业点", "营业所", "营业站", "揽投部", "投递部", "投递局", "投递站", "配送站", "配送点", "派送站", "派送点", "派件站", "派件点", "支局", "站点"}
	// Who takes a parcel on, after words for a hand-over.
	handedWords  = []string{"交付", "移交", "转交", "交给", "交由", "交接"}
	carrierWords = []string{"邮政", "航空", "承运商", "承运人", "快递公司", "物流公司", "货代", "清关行", "其他快递", "合作快递", "合作伙伴"}
	// A courier fetches a parcel in order to deliver it.
	courierWords = []string{"快递员", "派件员", "派送员", "配送员", "投递员", "揽投员", "业务员", "收派员", "快递小哥", "司机", "骑手"}
	takenWords   = []string{"领取", "取走", "取件", "取出", "提取"}
	givenWords   = []string{"签收", "妥投", "送达", "客户", "收件人", "本人"}
	// Who is no consignee in English, and what stands before whoever it is.
	beforeWhom = []string{" delivered to ", " delivered at ", " delivered into ", " signed for by ", " signed by "}
	strangers  = []string{" carrier", " courier", " usps ", " ups ", " fedex ", " dhl ", " dpd ", " gls ", " tnt ", " ems ", " amazon logistics ", " royal mail ", " post ", " postal ",
		" airline", " airport", " customs ", " hub ", " terminal", " sorting ", " sort ", " depot", " warehouse", " distribution ", " fulfilment ", " fulfillment ", " processing ",
		" facility", " gateway ", " port ", " transit ", " exchange ", " consolidat", " branch ", " agent", " broker", " partner", " forwarder"}

	deliveredWords = []string{"签收", "妥投", "已送达", "已交付", "已领取", "已取走", " delivered "}
	// What brings a parcel to a point or keeps it there.
	storedWords = []string{"已存放", "已暂存", "已放入", "已放至", "已放置", "已投入", "已投放", "已存入", "已送", "已到", "已交付", "已入柜", "已转存", "代收", "代为保管",
		"存放在", "暂存在", "投至", "投递至", "投递到", "投递成功", " left at ", " held at ", " stored at ", " available at ", " delivered to ", " arrived at "}
	// A delivery that was made at a point: the parcel does not wait there.
	fetchedWords = []string{"签收", "妥投", "已领取", "领走", "已取走", "取件成功", "已取件"}
)

func pair(s trace.Status, sub string) trace.Pair { return trace.Pair{Status: s, Sub: sub} }

// textRules are in the order in which they are asked.
var textRules = []textRule{
	// On the way back, and back.
	{pair: pair(trace.Returned, "to_sender"), example: "退回件已签收",
		has: [][]string{returnWords, {"已签收", "签收成功", "已退至寄件", "已退回至寄件", "已退回寄件", "已退还", "已退到寄件", " returned to sender", " returned to shipper", " returned to the sender", " returned to the shipper"}},
		not: []string{" being "}},
	{pair: pair(trace.Returned, "to_sender"), example: "Return delivered to sender",
		has: [][]string{{"寄件人签收", "寄件人已签收", "发件人签收", "发件人已签收", " signed for by sender", " signed for by shipper", " signed for by the sender", " signed for by the shipper", " return delivered ", " to original sender ", " to original shipper ", " delivered to sender", " delivered to shipper", " delivered to the sender", " delivered to the shipper",
			" delivered to original ", " delivered to the original ", " delivered back to "}}, not: []string{" being "}},
	{pair: pair(trace.Returning, "refused"), example: "因客户拒收退回", negated: true,
		has: [][]string{slices.Concat(refusalWords, []string{" refused", " rejected"}), returnWords}},
	{pair: pair(trace.Returning, "general"), example: "快件正在退回寄件地", negated: true,
		has: [][]string{{"退回", "退件", "退返", "返回寄件", " return to sender", " return to shipper", " returning to", " being returned", " in return"}},
		not: []string{"未退", "不退", "取消退", " not "}},

	// What stops a parcel.
	{pair: pair(trace.Exception, "refused"), example: "收件人拒收", negated: true,
		has: [][]string{refusalWords}, not: []string{"未拒", "不得拒", "不会拒"}},
	{pair: pair(trace.Exception, "intercepted"), example: "单号已拦截",
		has: [][]string{{"已拦截", "拦截成功", " intercepted"}}},
	{pair: pair(trace.Lost, "missing"), example: "Package lost in transit",
		has: [][]string{{"丢失", "遗失", " lost "}}},
	{pair: pair(trace.Lost, "destroyed"), example: "包裹被销毁",
		has: [][]string{{"已销毁", "被销毁", " destroyed "}}},
	{pair: pair(trace.Cancelled, "by_shipper"), example: "寄件人已取消订单",
		has: [][]string{{"寄件人", "发件人", "寄方", " shipper", " sender"}, {"取消", " cancelled ", " canceled "}}},
	{pair: pair(trace.Cancelled, ""), example: "订单已取消",
		has: [][]string{{"订单已取消", "已取消订单", "已取消寄件", "已销单", "运单已作废", " cancelled ", " canceled "}}, not: []string{" delivered "}},
	{pair: pair(trace.Exception, "damaged"), example: "外包装破损",
		has: [][]string{{"破损", "损坏", " damaged "}}},

	// Before it moves.
	{pair: pair(trace.PreTransit, "pickup_failed"), example: "揽收失败", negated: true,
		has: [][]string{{"揽收", "揽件", "取件", " pickup ", " pick-up "}, {"失败", "不成功", "未成功", "未能", " failed ", " unsuccessful"}}},
	{pair: pair(trace.PreTransit, "courier_assigned"), example: "取件任务已指派给快递员", foretold: true,
		has: [][]string{{"揽收", "揽件", "取件", "收件员"}, {"已分配", "已指派", "已派单", "任务"}}},
	{pair: pair(trace.PreTransit, "awaiting_pickup"), example: "等待揽收", foretold: true,
		has: [][]string{{"待揽收", "待揽件", "准备揽收", "等待快递员取件", " awaiting carrier pickup", " awaiting pickup by carrier"}}},
	{pair: pair(trace.PreTransit, "label_created"), example: "Shipping label created",
		has: [][]string{{" label created", " label has been created", " created a label", " label printed", "面单已打印"}}},
	{pair: pair(trace.PreTransit, "order_created"), example: "商家已下单",
		has: [][]string{{"已下单", "订单已创建", "已接单", "下单成功", " information received", " info received", " information sent", " order created", " electronically notified"}}},

	// It is there. What was brought to a point waits there, unless it was fetched.
	{pair: pair(trace.AvailableForPickup, "locker"), example: "快件已存放至小区快递柜",
		has: [][]string{lockerWords, storedWords}, not: fetchedWords},
	{pair: pair(trace.Delivered, "after_exception"), example: "派件异常后签收", negated: true,
		has: [][]string{{"异常后签收", "异常后最终签收"}}},
	{pair: pair(trace.Delivered, "neighbour"), example: "已由邻居签收",
		has: [][]string{deliveredWords, {"邻居", " neighbour", " neighbor"}}},
	{pair: pair(trace.Delivered, "reception"), example: "由前台签收",
		has: [][]string{deliveredWords, {"前台", "门卫", "保安", "物业", "收发室", " reception", " front desk", " mailroom", " mail room"}}},
	{pair: pair(trace.Delivered, "signed_by_other"), example: "家人签收",
		has: [][]string{{"代签", "他人签收", "非本人签收", "家人签收", "同事签收", "亲友签收"}}},
	{pair: pair(trace.Delivered, "locker"), example: "已在丰巢柜签收",
		has: [][]string{deliveredWords, lockerWords}},
	{pair: pair(trace.Delivered, "shop"), example: "已在驿站签收",
		has: [][]string{fetchedWords, shopWords}},
	{pair: pair(trace.Delivered, "safe_place"), example: "Left at front door",
		has: [][]string{{" delivered ", " left at ", " left in ", " left on ", " left by ", " left inside ", " left near ", "已投递", "已投入", "已放入", "已放至", "投递到", "投递至"},
			{" safe place", " porch", " front door", " garage", " mailbox", "信报箱", "信箱"}}},
	{pair: pair(trace.Delivered, "signed"), example: "已签收",
		has: [][]string{{"签收", " signed for "}}, not: []string{"签收单", "签收图", "签收回单", "签收码", "签收地", "返单"}},
	{pair: pair(trace.AvailableForPickup, "shop"), example: "快件已由菜鸟驿站代收",
		has: [][]string{shopWords, storedWords}},
	{pair: pair(trace.Delivered, ""), example: "已妥投",
		has: [][]string{{"妥投", "已送达 ", "已送达客户", "已送达收", "已送达您", "已送达用户", "已送达本人", "已送达指定", "已交付 ", "已交付客户", "已交付收", "已交付您", "已交付用户", "已交付本人", "已交付给",
			"已领取", "已取走", " delivered ", "派送成功", "派件成功", "配送成功", "投递成功", "送货成功"}},
		not: []string{" being ", " delivered to post"}},
	{pair: pair(trace.Delivered, ""), example: "客户已取件",
		has: [][]string{{"客户", "收件人", "本人", "用户", "您已", "由您", " by customer", " by the customer", " by recipient", " by the recipient", " by consignee", " by the consignee", " by addressee"},
			{"已取件", "已取出", "已取走", "已领取", "已提取", "已自提", " picked up ", " collected "}}, not: []string{"客户处", "上门", "寄件"}},
	{pair: pair(trace.Delivered, ""), example: "包裹由收件人领取",
		has: [][]string{{"由客户", "由收件人", "由本人", "由用户", "由您", "被客户", "被收件人"}, {"取件", "取出", "取走", "领取", "提取"}}, not: []string{"上门", "寄件"}},

	// It waits to be fetched. Before tries that failed, for it is what became of them.
	{pair: pair(trace.AvailableForPickup, "overdue"), example: "驿站超时未取", negated: true,
		has: [][]string{{"超时未取", "逾期未取", "未取件", "未领取", " not collected ", " not picked up by "}}},
	{pair: pair(trace.AvailableForPickup, ""), example: "请凭取件码前往领取", foretold: true,
		has: [][]string{{"取件码", "取货码", "提货码", "请及时取", "请尽快取", "及时取件", "尽快取件", "前往领取", "前来领取", "待自提", "可自提", "到店自提",
			" ready for pickup", " ready for pick-up", " ready for collection", " available for pickup", " available for pick-up", " available for collection",
			" awaiting collection", " ready to be picked up", " to be collected"}}},

	// A try that failed.
	{pair: pair(trace.AttemptFailed, "no_contact"), example: "收件人电话无人接听", negated: true,
		has: [][]string{{"联系不上", "无法联系", "未联系上", "电话不通", "电话关机", "无人接听", " could not contact", " unable to contact"}}},
	{pair: pair(trace.AttemptFailed, "not_home"), example: "收件人不在家", negated: true,
		has: [][]string{{"无人签收", "无人在家", "家中无人", "不在家", "收件人不在", "客户不在", "无人接收", " not home", " not at home", " no one ", " nobody ", " not available to sign", " was not available"}}},
	{pair: pair(trace.AttemptFailed, "address"), example: "收件地址不详", negated: true,
		has: [][]string{{"地址不详", "地址错误", "地址有误", "地址不完整", " incorrect address", " insufficient address", " wrong address"}}},
	{pair: pair(trace.AttemptFailed, "general"), example: "派送不成功", negated: true, foretold: true,
		has: [][]string{deliveryWords, failureWords}, not: []string{"不影响", " not yet "}},
	{pair: pair(trace.AttemptFailed, "general"), example: "Delivery attempted", negated: true,
		has: [][]string{{" delivery attempt", " attempted delivery", " attempted to deliver"}}},

	// It is with the courier.
	{pair: pair(trace.OutForDelivery, "appointment"), example: "客户预约明日派送", foretold: true,
		has: [][]string{{"改约", "预约"}, driverWords}},
	{pair: pair(trace.OutForDelivery, ""), example: "正在派件", foretold: true,
		has: [][]string{{"安排投递", "正在派", "派送中", "派件中", "派送途中", "投递中", "配送中", " out for delivery ", " on vehicle for delivery ", " with delivery courier ", " with courier "}},
		not: []string{"准备", "即将", "等待", "预计", " to be ", " will be ", " scheduled ", " awaiting ", " expected "}},
	{pair: pair(trace.OutForDelivery, ""), example: "快递员开始派件",
		has: [][]string{driverWords},
		not: []string{"取消", "要求", "申请", "派件网点", "派送网点", "派件城市", "派送城市", "派件公司", "派件点", "派送点", "派送站", "派件站", "派件部", "配送站", "配送中心", "配送点", "配送网点", "投递部", "投递局"}},

	// Customs.
	{pair: pair(trace.Exception, "customs_hold"), example: "被海关扣留", negated: true,
		has: [][]string{customsWords, {"扣", "异常", "失败", "滞留", " held ", " hold ", " delay", " detained ", " failed ", " exception "}}},
	{pair: pair(trace.InTransit, "customs_cleared"), example: "清关完成",
		has: [][]string{customsWords, {"完成", "放行", "结束", "已清关", "已通关", "成功", " cleared ", " released ", " completed ", " complete "}}},
	{pair: pair(trace.InTransit, "customs_started"), example: "清关中", negated: true, foretold: true,
		has: [][]string{customsWords}},

	// It begins, and it moves.
	{pair: pair(trace.PickedUp, "collected"), example: "快递员已揽收",
		has: [][]string{{"揽收", "揽件", "已收件", "已收取", "收取快件", "已收寄", "收寄成功", "上门取件成功", "快递员已取件", " picked up ", " pickup scan ", " shipment collected ", " parcel collected ", " acceptance ", " possession of item "}}},
	{pair: pair(trace.InTransit, "arrived_country"), example: "航班抵达目的国",
		has: [][]string{{"到达目的国", "抵达目的国", "到达目的地国", "抵达目的地国", " arrived in destination country", " arrived at destination country", " arrival in destination country"}}},
	{pair: pair(trace.InTransit, "departed"), example: "快件离开上海中心",
		has: [][]string{{"发往", "离开", "已发出", "已出发", "发车", "起飞", "已启运", "出港", " departed ", " departure ", " has left ", " left the ", " left facility ", " dispatched "}}},
	{pair: pair(trace.InTransit, "handed_to_carrier"), example: "快件已交付航空公司",
		has: [][]string{handedWords, carrierWords}},
	{pair: pair(trace.InTransit, "handed_to_carrier"), example: "Delivered to local carrier",
		has: [][]string{{" delivered to "}, {" carrier", " courier", " usps ", " airline", " agent", " post ", " postal ", " partner", " forwarder"}}, not: []string{" being "}},
	{pair: pair(trace.InTransit, "arrived"), example: "快件已送达上海转运中心",
		has: [][]string{{"已送达", "已送至", "已送抵"}, slices.Concat(hubWords, outletWords)}},
	{pair: pair(trace.InTransit, "arrived"), example: "Delivered to sorting centre",
		has: [][]string{{" delivered to "}, {" hub ", " terminal", " sort", " depot", " facility", " airport", " distribution "}}, not: []string{" being "}},
	{pair: pair(trace.InTransit, "arrived"), example: "快件到达杭州分拨中心",
		has: [][]string{{"到达", "抵达", "已到", "到件", " 到【", "进港", "已进站", " arrived ", " arrival ", " received at "}}},
	{pair: pair(trace.InTransit, "handed_to_carrier"), example: "转投其他快递公司",
		has: [][]string{{"转投", "转其他快递", "交由其他", "转邮政", " handed over to ", " handed to ", " tendered to ", " transferred to "}}},
	{pair: pair(trace.InTransit, ""), example: "快件运输中", foretold: true,
		has: [][]string{{"准备发往", "准备发出", "即将发往", "运输中", "转运", "在途", "中转", "分拣", "装车", "运往", "打包", "集包", " in transit ", " on its way ", " processed ", " sorted "}}},
}

// appendClauses takes a text apart. Marks and parentheses part clauses, and blanks
// and hyphens beside a Chinese character do; nothing does between 【 and 】, where
// names stand. Clauses that make conditions are left out.
func appendClauses(dst []clause, text string) []clause {
	plain := make([]byte, 0, len(text)+2)
	plain = append(plain, ' ')
	end := func() {
		if s := string(append(plain, ' ')); len(plain) > 1 && len(dst) < maxClauses && !hasAny(s, conditions) {
			dst = append(dst, clause{s, isNegated(s), hasAny(s, foretellings)})
		}
		plain = plain[:1]
	}
	inName, before := false, ' '
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		after, _ := utf8.DecodeRuneInString(text[i+size:])
		chinese := before > unicode.MaxLatin1 || after > unicode.MaxLatin1
		switch {
		case r == '【' || r == '】':
			inName = r == '【'
			plain = utf8.AppendRune(plain, r)
		case inName:
			plain = utf8.AppendRune(plain, simplified(unicode.ToLower(r)))
		case strings.ContainsRune("，。；！？、…()（）;!?,|\n", r), r == '.' && (after == ' ' || i+size == len(text)), r == '-' && chinese, unicode.IsSpace(r) && chinese:
			end()
		case !unicode.IsSpace(r):
			plain = utf8.AppendRune(plain, simplified(unicode.ToLower(r)))
		case plain[len(plain)-1] != ' ':
			plain = append(plain, ' ')
		}
		before = r
	}
	end()
	return dst
}

// simplified gives the simplified form of the traditional characters that the
// rules and their guards ask for.
func simplified(r rune) rune {
	if s, ok := traditional[r]; ok {
		return s
	}
	return r
}

// traditionalPairs are traditional characters, each with its simplified form.
const traditionalPairs = "簽签領领遞递達达發发離离開开關关無无沒没櫃柜驛驿攬揽進进轉转運运貨货單单敗败絕绝還还準准備备請请聯联繫系係系網网點点門门戶户員员換换國国際际檢检驗验滯滞損损壞坏丟丢銷销訂订為为話话電电時时後后過过對对應应親亲給给從从倉仓庫库裝装車车機机場场啟启終终約约預预異异該该區区誤误絡络內内嘗尝試试郵邮責责認认證证錯错務务詳详鄰邻衛卫業业樓楼間间動动盡尽當当將将計计劃划輸输揀拣貯贮儲储連连鎖锁飛飞級级豐丰廠厂來来個个處处邊边綫线線线屬属總总統统實实據据報报權权購购寫写歸归濟济經经營营遺遗毀毁攔拦補补傳传滿满與与樣样東东廣广龍龙華华豬猪號号們们滬沪寧宁漢汉陝陕閩闽粵粤贛赣魯鲁瓊琼蘭兰錦锦蘇苏臺台灣湾虛虚願愿確确撥拨樞枢紐纽變变"

var traditional = func() map[rune]rune {
	m := make(map[rune]rune)
	var from rune
	for i, r := range []rune(traditionalPairs) {
		if i%2 == 0 {
			from = r
		} else {
			m[from] = r
		}
	}
	return m
}()
