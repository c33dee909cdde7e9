package wire

// The sub-codes that are answered here, from the document's table (响应码).
const (
	Empty           = "4001"
	NotDigits       = "4002"
	NotAlphanumeric = "4004"
	NotLetters      = "4005"
	NotWhole        = "4010"
	NotPositive     = "4011"
	TooLong         = "4012"
	TooShort        = "4013"
	WrongLength     = "4014"
	TooSmall        = "4015"
	TooLarge        = "4016"
	BadDecimals     = "4019"
	BadDate         = "4020"
	BadFormat       = "4028"
	BadEnum         = "4033"
	IllegalValue    = "4042"
	NoPermission    = "4106"
	Failed          = "5001"
)

// A Response is a row of the document's table of response codes: the main code
// that it belongs to, the sub-code, and its words. 4xxx is at the charge of the one
// who asked, 5xxx of the one who answers; none of them asks for a retry. What
// stands in {} or after % is to be filled in.
type Response struct{ Main, Code, Words string }

// Mains are the words of the main codes.
var Mains = map[string]string{"4000": "请求参数无效", "4100": "业务校验失败", "5000": "业务处理失败"}

// Responses is the whole table.
var Responses = []Response{
	{"4000", "4001", "不能为空"},
	{"4000", "4002", "只允许数字"},
	{"4000", "4003", "只允许英文"},
	{"4000", "4004", "只允许数字或字母"},
	{"4000", "4005", "只允许大小写字母"},
	{"4000", "4006", "只允许中文"},
	{"4000", "4007", "必须包含中文"},
	{"4000", "4008", "必须为非中文"},
	{"4000", "4009", "只允许单字符"},
	{"4000", "4010", "只允许非负数整数"},
	{"4000", "4011", "只允许大于0的整数"},
	{"4000", "4012", "长度必须小于或等于最大长度"},
	{"4000", "4013", "长度必须大于或等于最小长度"},
	{"4000", "4014", "长度必须等于规定长度"},
	{"4000", "4015", "必须大于或等于最小值"},
	{"4000", "4016", "必须小于或等于最大值"},
	{"4000", "4017", "必须大于最小值"},
	{"4000", "4018", "必须小于最大值"},
	{"4000", "4019", "精确的小数点位不正确"},
	{"4000", "4020", "日期格式不正确"},
	{"4000", "4021", "邮箱格式不正确"},
	{"4000", "4022", "链接地址格式不正确"},
	{"4000", "4023", "手机号码格式不正确"},
	{"4000", "4024", "商品编码为8位或10位数字，支持以下三种输入格式12345678、1234567890或12345678.9"},
	{"4000", "4025", "组织机构代码格式不正确，格式为：12345678-9"},
	{"4000", "4026", "身份证格式不正确"},
	{"4000", "4027", "税号格式不正确"},
	{"4000", "4028", "数据格式不正确"},
	{"4000", "4029", "包裹边长不支持"},
	{"4000", "4030", "包裹重量不支持"},
	{"4000", "4031", "包裹围长不支持"},
	{"4000", "4032", "包裹个数超过上限"},
	{"4000", "4033", "枚举值不支持"},
	{"4000", "4034", "必须同意用户协议"},
	{"4000", "4035", "揽货日期必须大于当前时间"},
	{"4000", "4036", "揽货日期不能超过当前日期{xx}天"},
	{"4000", "4037", "货物类型无法揽收"},
	{"4000", "4038", "输入了未知的揽货或递送地址"},
	{"4000", "4039", "揽收或交付地址指定了未知国家编码"},
	{"4000", "4040", "提交了未知的国家地区编码"},
	{"4000", "4041", "订单报价已经过期"},
	{"4000", "4042", "非法的参数值"},
	{"4000", "4043", "只支持alibaba"},
	{"4100", "4101", "输入的方案不存在"},
	{"4100", "4102", "输入的方案与下单信息不匹配"},
	{"4100", "4103", "订单不存在"},
	{"4100", "4104", "当前订单状态[%s]下不允许此操作"},
	{"4100", "4105", "没有订单的权限"},
	{"4100", "4106", "没有权限"},
	{"4100", "4107", "包裹信息（边长、围长或重量）不符合该服务的限制要求"},
	{"5000", "5001", "业务处理过程出现错误"},
	{"5000", "5002", "目的国不可到达或其他原因"},
}

var words = func() map[string]string {
	m := make(map[string]string, len(Responses))
	for _, r := range Responses {
		m[r.Code] = r.Words
	}
	return m
}()

// Words are the document's words for a sub-code; "" where it has none such.
func Words(code string) string { return words[code] }
