package bench

import (
	"strconv"
)

// A dialect makes pushes as one carrier makes them.
type dialect struct {
	name          string // for people
	carrier, call string // of the push door
	contentType   string
	yes           string // what a good answer has in it
	// push appends the body of a push. A dialect of full lists (list) tells the whole
	// journey of one parcel, picks in the order of time.
	list   bool
	number func(p *parcels, dst []byte, i int) []byte // of a list's parcel
	push   func(p *parcels, dst []byte, events []pick) []byte
}

var dialects = struct{ sfJSON, sfXML, alibaba, kuaidi100 dialect }{
	sfJSON: dialect{
		name: "SF, JSON", carrier: "sf", contentType: "application/json ;charset=UTF-8", yes: `"0000"`,
		push: (*parcels).appendPush,
	},
	sfXML: dialect{
		name: "SF, XML in a form", carrier: "sf", contentType: formType, yes: "<Head>OK</Head>",
		push: (*parcels).appendXMLForm,
	},
	alibaba: dialect{
		name: "Alibaba, full list", carrier: "alibaba", call: "notifyTrace", contentType: "application/json;charset=UTF-8", yes: `"isSuccess":true`,
		list: true, number: (*parcels).appendOrderNo, push: (*parcels).appendNotifyTrace,
	},
	kuaidi100: dialect{
		name: "Kuaidi100, full list", carrier: "kuaidi100", contentType: formType, yes: `"result":true`,
		list: true, number: (*parcels).appendWaybillNo, push: (*parcels).appendSubscribed,
	},
}

const formType = "application/x-www-form-urlencoded; charset=UTF-8"

// appendXMLForm appends a push as SF makes it in form mode: XML, percent-encoded,
// in the field content.
func (p *parcels) appendXMLForm(dst []byte, events []pick) []byte {
	dst = append(dst, "content="...)
	at := len(dst)
	dst = append(dst, `<?xml version='1.0' encoding='UTF-8'?><Request service="RoutePushService" lang="zh-CN"><Body>`...)
	for _, e := range events {
		s := p.scan(e.parcel, e.event)
		dst = append(dst, `<WaybillRoute mailno="`...)
		dst = p.appendNumber(dst, e.parcel)
		dst = append(dst, `" acceptAddress="`...)
		dst = append(dst, s.address...)
		dst = append(dst, `" reasonName="" orderid="`...)
		dst = s.appendOrder(dst)
		dst = append(dst, `" acceptTime="`...)
		dst = s.appendTime(dst)
		dst = append(dst, `" remark="`...)
		dst = s.appendRemark(dst)
		dst = append(dst, `" opCode="`...)
		dst = append(dst, s.code...)
		dst = append(dst, `" id="`...)
		dst = strconv.AppendUint(dst, s.id, 10)
		dst = append(dst, `" reasonCode=""/>`...)
	}
	dst = append(dst, "</Body></Request>"...)
	return escapeForm(dst, at)
}

// escapeForm percent-encodes what stands behind a place, as a form wants it.
func escapeForm(dst []byte, at int) []byte {
	const hex = "0123456789ABCDEF"
	grow := 0
	for _, b := range dst[at:] {
		if b != ' ' && !plain[b] {
			grow += 2
		}
	}
	read := len(dst) - 1
	dst = append(dst, make([]byte, grow)...)
	// From the end, so that nothing is written over before it is read.
	for write := len(dst) - 1; read >= at; read-- {
		switch b := dst[read]; {
		case b == ' ':
			dst[write] = '+'
			write--
		case plain[b]:
			dst[write] = b
			write--
		default:
			dst[write-2], dst[write-1], dst[write] = '%', hex[b>>4], hex[b&15]
			write -= 3
		}
	}
	return dst
}

// plain are the bytes that a form has as they are.
var plain = func() (is [256]bool) {
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.*") {
		is[b] = true
	}
	return is
}()

// appendOrderNo appends the order number of parcel i as Alibaba gives them.
func (p *parcels) appendOrderNo(dst []byte, i int) []byte {
	return appendDigits(append(dst, "ALS0"...), p.digits(i), 13)
}

// traceCodes are Alibaba's words for SF's codes.
var traceCodes = map[string]string{
	"50": "S_CARRIER_PICKUP", "30": "S_TH_ARRANGE", "31": "S_TH_IN", "36": "S_TH_OUT",
	"44": "S_TH_IN_LAST", "204": "S_DELIVERY_SCHEDULED", "80": "S_DELIVERY_SIGNED",
}

// appendNotifyTrace appends a push of Alibaba's call notifyTrace: all scans of one
// order.
func (p *parcels) appendNotifyTrace(dst []byte, events []pick) []byte {
	dst = append(dst, `{"aliOrderNo":"`...)
	dst = p.appendOrderNo(dst, events[0].parcel)
	dst = append(dst, `","traceInfos":[`...)
	for n, e := range events {
		if n > 0 {
			dst = append(dst, ',')
		}
		s := p.story(e.parcel, e.event, journey(events))
		dst = append(dst, `{"location":"`...)
		dst = append(dst, s.address...)
		dst = append(dst, `","traceCode":"`...)
		dst = append(dst, traceCodes[s.code]...)
		dst = append(dst, `","traceDescCn":"`...)
		dst = s.appendRemark(dst)
		dst = append(dst, `","operatorName":"`...)
		dst = append(dst, couriers[s.id%uint64(len(couriers))].name...)
		dst = append(dst, `","quantity":1,"traceTime":"`...)
		at := len(dst)
		dst = append(s.appendTime(dst), "+08:00"...)
		dst[at+len("2026-01-02")] = 'T'
		dst = append(dst, `"}`...)
	}
	return append(dst, "]}"...)
}

// journey is how many events the whole of a list has: one that is short is still
// under way.
func journey(events []pick) int {
	if len(events) < eventsLoaded {
		return underWay
	}
	return len(events)
}

// appendWaybillNo appends the number of parcel i at the carrier that Kuaidi100
// tells of.
func (p *parcels) appendWaybillNo(dst []byte, i int) []byte {
	return appendDigits(append(dst, '7'), p.digits(i), 13)
}

// statusCodes are Kuaidi100's words for SF's codes.
var statusCodes = map[string]struct{ code, word string }{
	"50": {"103", "已揽收"}, "30": {"0", "在途"}, "31": {"0", "在途"}, "36": {"1002", "干线"},
	"44": {"1001", "到达派件城市"}, "204": {"5", "派件"}, "80": {"301", "签收"},
}

// appendSubscribed appends a push as Kuaidi100 makes it for a number that it was
// asked to watch: the whole journey, the newest scan first.
func (p *parcels) appendSubscribed(dst []byte, events []pick) []byte {
	end := journey(events)
	delivered := end == len(events)
	dst = append(dst, "param="...)
	at := len(dst)
	dst = append(dst, `{"status":"`...)
	if delivered {
		dst = append(dst, `shutdown`...)
	} else {
		dst = append(dst, `polling`...)
	}
	dst = append(dst, `","billstatus":"got","message":"","autoCheck":"0","comOld":"","comNew":"","lastResult":{"message":"ok","nu":"`...)
	dst = p.appendWaybillNo(dst, events[0].parcel)
	if delivered {
		dst = append(dst, `","ischeck":"1","com":"zhongtong","status":"200","state":"3","data":[`...)
	} else {
		dst = append(dst, `","ischeck":"0","com":"zhongtong","status":"200","state":"0","data":[`...)
	}
	for n := len(events) - 1; n >= 0; n-- {
		s := p.story(events[n].parcel, events[n].event, end)
		code := statusCodes[s.code]
		dst = append(dst, `{"time":"`...)
		dst = s.appendTime(dst)
		dst = append(dst, `","context":"`...)
		dst = s.appendRemark(dst)
		dst = append(dst, `","ftime":"`...)
		dst = s.appendTime(dst)
		dst = append(dst, `","areaCode":null,"areaName":null,"status":"`...)
		dst = append(dst, code.word...)
		dst = append(dst, `","location":"`...)
		dst = append(dst, s.address...)
		dst = append(dst, `","areaCenter":null,"areaPinYin":null,"statusCode":"`...)
		dst = append(dst, code.code...)
		dst = append(dst, `"}`...)
		if n > 0 {
			dst = append(dst, ',')
		}
	}
	dst = append(dst, "]}}"...)
	return escapeForm(dst, at)
}
