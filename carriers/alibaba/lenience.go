package alibaba

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/carriers/alibaba/wire"
)

// Where the document contradicts itself, or is read so by those who write by it,
// both is taken. Which of it comes is counted, repeats too.
var (
	orderNoLength   = leniences("order_no_length")     // the table has 17 characters, the samples 13
	orderNoBlanks   = leniences("order_no_blanks")     // blanks around it
	eventTime       = leniences("event_time")          // a trace's time: traceTime in the table, eventTime in the sample
	eventCode       = leniences("event_code")          // the sample's trace has a code out of the EventCodes
	blankInCode     = leniences("blank_in_code")       // the document's columns break codes
	otherUnknown    = leniences("unknown_spelling")    // UNKONWN is how the document spells it
	chargeItemList  = leniences("charge_item_list")    // chargeItemArray in the table, chargeItemList in the sample
	statusDefault   = leniences("status_default")      // status is mandatory and has a default
	timeWithoutZone = leniences("time_without_offset") // ISO 8601 allows it; it is taken for China's
	unescapedPlus   = leniences("unescaped_plus")      // a form's + is a blank: the sign of an offset must be escaped
)

func leniences(what string) *metrics.Counter {
	return metrics.NewCounter(fmt.Sprintf(`waytrace_alibaba_leniences_total{what=%q}`, what))
}

// countOrderNo counts an order number that is accepted in spite of its length.
func countOrderNo(v wire.Value) {
	if len(v.Text) != wire.OrderNoLength {
		orderNoLength.Inc()
	}
}

// trimmed takes the blanks around an order number away.
func trimmed(v wire.Value) wire.Value {
	if text := strings.TrimSpace(v.Text); text != v.Text && text != "" {
		orderNoBlanks.Inc()
		v.Text = text
	}
	return v
}

// withoutBlanks takes the blanks out of a code.
func withoutBlanks(v wire.Value) wire.Value {
	if strings.ContainsFunc(v.Text, unicode.IsSpace) {
		blankInCode.Inc()
		v.Text = strings.Join(strings.Fields(v.Text), "")
	}
	return v
}
