// Package wire is what Alibaba's logistics interface (API文档, 单一窗口) has in
// common in both directions: how a parameter may come (value.go), how a
// request is held against tables of parameters (rules.go), the tables of what
// several calls have in them (package.go, contact.go) and of a call of Alibaba's own
// (return.go), the response codes (responses.go), and the signature of their gateway
// (sign.go).
//
// What each call means is not here: carriers/alibaba has those that a logistics
// company sends.
package wire
