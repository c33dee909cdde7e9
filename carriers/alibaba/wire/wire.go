// Package wire is what Alibaba's logistics interface (API文档, 单一窗口) has in
// common in both directions: how a parameter may come (value.go), the tables of
// parameters and how a request is held against them (rules.go, package.go), the
// response codes (responses.go), and the signature of their gateway (sign.go).
//
// What each call means is not here: carriers/alibaba has those that a logistics
// company sends.
package wire
