package sf

import "strings"

// beforeAccount stands in a hint between the first status and the account.
const beforeAccount = "\x1f"

// hintOf is what is kept of an event beside its codes, so that it can be mapped
// anew: the first status, and the name of the account whose table was asked; ""
// is the usual one. Of an event of that account it is the first status alone.
func hintOf(firstStatus, account string) string {
	if account == "" && !strings.Contains(firstStatus, beforeAccount) {
		return firstStatus
	}
	return firstStatus + beforeAccount + account
}

// readHint takes a hint apart again.
func readHint(hint string) (firstStatus, account string) {
	if i := strings.LastIndex(hint, beforeAccount); i >= 0 {
		return hint[:i], hint[i+len(beforeAccount):]
	}
	return hint, ""
}
