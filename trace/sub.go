package trace

// A Party is who a trouble lies with, or who must act.
type Party uint8

// The parties.
const (
	NoParty Party = iota
	OfCarrier
	OfShipper
	OfConsignee
	OfCustoms
	OfForce // weather, strikes and the like
	OfUnknown
)

var partyNames = [...]string{"", "carrier", "shipper", "consignee", "customs", "force_majeure", "unknown"}

// String is the party's name in answers; "" is none.
func (p Party) String() string { return partyNames[p] }

// troubles say of each sub-status that is not the plain course of a parcel whom it
// lies with, whether somebody on the customer's side must act, and what it is in
// people's words: in the order of the languages.
var troubles = map[Pair]struct {
	party  Party
	action bool
	words  [langs]string
}{
	{PreTransit, "pickup_failed"}: {OfShipper, true, [langs]string{"揽收失败", "攬收失敗", "The pickup failed"}},

	{AttemptFailed, ""}:                {OfUnknown, false, [langs]string{"派送未成功", "派送未成功", "The delivery failed"}},
	{AttemptFailed, "general"}:         {OfUnknown, false, [langs]string{"派送未成功", "派送未成功", "The delivery failed"}},
	{AttemptFailed, "not_home"}:        {OfConsignee, false, [langs]string{"收件人不在", "收件人不在", "Nobody was at home"}},
	{AttemptFailed, "business_closed"}: {OfConsignee, false, [langs]string{"收件单位未营业", "收件單位未營業", "The business was closed"}},
	{AttemptFailed, "no_access"}:       {OfConsignee, false, [langs]string{"无法进入收件地址", "無法進入收件地址", "There was no access to the address"}},
	{AttemptFailed, "address"}:         {OfConsignee, true, [langs]string{"收件地址有误", "收件地址有誤", "The address is wrong or incomplete"}},
	{AttemptFailed, "refused_pending"}: {OfConsignee, true, [langs]string{"收件人暂不接收", "收件人暫不接收", "The consignee did not take it yet"}},
	{AttemptFailed, "cod_unpaid"}:      {OfConsignee, true, [langs]string{"货到付款未支付", "貨到付款未支付", "Cash on delivery was not paid"}},
	{AttemptFailed, "id_check"}:        {OfConsignee, true, [langs]string{"身份核验未通过", "身分核驗未通過", "The identity check failed"}},
	{AttemptFailed, "no_contact"}:      {OfConsignee, true, [langs]string{"无法联系收件人", "無法聯繫收件人", "The consignee could not be reached"}},
	{AttemptFailed, "out_of_area"}:     {OfCarrier, false, [langs]string{"超出派送范围", "超出派送範圍", "Out of the delivery area"}},

	{AvailableForPickup, ""}:            {OfConsignee, true, [langs]string{"请取件", "請取件", "To be collected"}},
	{AvailableForPickup, "general"}:     {OfConsignee, true, [langs]string{"请取件", "請取件", "To be collected"}},
	{AvailableForPickup, "locker"}:      {OfConsignee, true, [langs]string{"请到快递柜取件", "請到智慧櫃取件", "To be collected at a locker"}},
	{AvailableForPickup, "shop"}:        {OfConsignee, true, [langs]string{"请到服务点取件", "請到服務點取件", "To be collected at a shop"}},
	{AvailableForPickup, "post_office"}: {OfConsignee, true, [langs]string{"请到邮局取件", "請到郵局取件", "To be collected at the post office"}},
	{AvailableForPickup, "reminder"}:    {OfConsignee, true, [langs]string{"取件提醒", "取件提醒", "A reminder to collect it"}},
	{AvailableForPickup, "overdue"}:     {OfConsignee, true, [langs]string{"逾期未取", "逾期未取", "Not collected in time"}},

	{Exception, ""}:                   {OfUnknown, false, [langs]string{"运输异常", "運輸異常", "Something is wrong"}},
	{Exception, "general"}:            {OfUnknown, false, [langs]string{"运输异常", "運輸異常", "Something is wrong"}},
	{Exception, "address"}:            {OfConsignee, true, [langs]string{"收件信息需确认", "收件資訊需確認", "The address must be confirmed"}},
	{Exception, "customs_hold"}:       {OfCustoms, false, [langs]string{"海关扣留", "海關扣留", "Held by customs"}},
	{Exception, "customs_docs"}:       {OfConsignee, true, [langs]string{"清关资料不全", "清關資料不全", "Customs needs documents"}},
	{Exception, "customs_prohibited"}: {OfShipper, true, [langs]string{"海关禁止入境", "海關禁止入境", "Customs does not admit it"}},
	{Exception, "duty_unpaid"}:        {OfConsignee, true, [langs]string{"关税待支付", "關稅待支付", "Duty is to be paid"}},
	{Exception, "payment"}:            {OfConsignee, true, [langs]string{"费用待支付", "費用待支付", "Charges are to be paid"}},
	{Exception, "weather"}:            {OfForce, false, [langs]string{"天气影响", "天氣影響", "Delayed by weather"}},
	{Exception, "delay"}:              {OfCarrier, false, [langs]string{"运输延误", "運輸延誤", "Delayed"}},
	{Exception, "damaged"}:            {OfCarrier, false, [langs]string{"包裹破损", "包裹破損", "Damaged"}},
	{Exception, "refused"}:            {OfConsignee, true, [langs]string{"收件人拒收", "收件人拒收", "Refused by the consignee"}},
	{Exception, "no_contact"}:         {OfConsignee, true, [langs]string{"无法联系收件人", "無法聯繫收件人", "The consignee cannot be reached"}},
	{Exception, "misrouted"}:          {OfCarrier, false, [langs]string{"分拣错误", "分揀錯誤", "Sent the wrong way"}},
	{Exception, "security"}:           {OfCarrier, false, [langs]string{"安全检查", "安全檢查", "Held by a security check"}},
	{Exception, "on_hold"}:            {OfCarrier, false, [langs]string{"滞留", "滯留", "On hold"}},
	{Exception, "info_required"}:      {OfShipper, true, [langs]string{"需补充信息", "需補充資訊", "Information is needed"}},
	{Exception, "investigating"}:      {OfCarrier, false, [langs]string{"调查中", "調查中", "Being investigated"}},
	{Exception, "intercepted"}:        {OfShipper, false, [langs]string{"快件被拦截", "快件被攔截", "Intercepted"}},
	{Exception, "out_of_area"}:        {OfCarrier, false, [langs]string{"超出服务范围", "超出服務範圍", "Out of the service area"}},
	{Exception, "pickup_overdue"}:     {OfConsignee, true, [langs]string{"逾期未取件", "逾期未取件", "Not collected in time"}},

	{Delivered, "partial"}: {OfCarrier, false, [langs]string{"部分签收", "部分簽收", "Delivered in part"}},
	{Delivered, "damaged"}: {OfCarrier, false, [langs]string{"签收时破损", "簽收時破損", "Delivered damaged"}},

	{Returning, ""}:              {OfUnknown, false, [langs]string{"退回中", "退回中", "Going back"}},
	{Returning, "general"}:       {OfUnknown, false, [langs]string{"退回中", "退回中", "Going back"}},
	{Returning, "refused"}:       {OfConsignee, false, [langs]string{"拒收退回", "拒收退回", "Going back: refused"}},
	{Returning, "unclaimed"}:     {OfConsignee, false, [langs]string{"无人领取退回", "無人領取退回", "Going back: not collected"}},
	{Returning, "undeliverable"}: {OfCarrier, false, [langs]string{"无法投递退回", "無法投遞退回", "Going back: not deliverable"}},
	{Returning, "requested"}:     {OfShipper, false, [langs]string{"应要求退回", "應要求退回", "Going back on request"}},

	{Lost, ""}:          {OfCarrier, true, [langs]string{"包裹丢失", "包裹遺失", "Lost"}},
	{Lost, "missing"}:   {OfCarrier, true, [langs]string{"包裹丢失", "包裹遺失", "Missing"}},
	{Lost, "destroyed"}: {OfCarrier, true, [langs]string{"包裹已销毁", "包裹已銷毀", "Destroyed"}},
	{Lost, "disposed"}:  {OfConsignee, false, [langs]string{"已弃件处理", "已棄件處理", "Disposed of"}},
	{Lost, "seized"}:    {OfCustoms, true, [langs]string{"海关没收或销毁", "海關沒收或銷毀", "Seized by customs"}},

	{Cancelled, "by_shipper"}:   {OfShipper, false, [langs]string{"寄件人取消", "寄件人取消", "Cancelled by the shipper"}},
	{Cancelled, "by_carrier"}:   {OfCarrier, false, [langs]string{"承运商取消", "承運商取消", "Cancelled by the carrier"}},
	{Cancelled, "by_consignee"}: {OfConsignee, false, [langs]string{"收件人取消", "收件人取消", "Cancelled by the consignee"}},
	{Cancelled, "void_label"}:   {OfShipper, false, [langs]string{"面单作废", "面單作廢", "The label was voided"}},
}

// Party is who the trouble lies with, or who must act; none where there is no
// trouble. An exception of a sub-status that is not known is nobody's yet.
func (p Pair) Party() Party {
	t, known := troubles[p]
	if !known && p.Status == Exception {
		return OfUnknown
	}
	return t.party
}

// ActionRequired reports whether somebody on the customer's side, shipper or
// consignee, must act for the parcel to go on.
func (p Pair) ActionRequired() bool { return troubles[p].action }

// Reason says in people's words what is wrong; "" where nothing is, or nobody
// knows.
func (p Pair) Reason(lang Lang) string {
	t, known := troubles[p]
	if !known && p.Status == Exception {
		t = troubles[Pair{Exception, ""}]
	}
	return t.words[lang]
}
