// Package all is the list of the carriers.
//
// A carrier is added by one line in Settings; its folder's type Settings has a
// method Carrier that makes it.
package all

import (
	"errors"
	"fmt"
	"reflect"

	"waytrace/carriers"
	"waytrace/carriers/alibaba"
	"waytrace/carriers/kdniao"
	"waytrace/carriers/kuaidi100"
	"waytrace/carriers/sf"
)

// Settings of all carriers: a field each, and nothing else. In the file they
// stand under carriers, by the carrier's code.
type Settings struct {
	SF        sf.Settings        `embed:"" prefix:"sf." yaml:"sf"`
	Alibaba   alibaba.Settings   `embed:"" prefix:"alibaba." yaml:"alibaba"`
	Kuaidi100 kuaidi100.Settings `embed:"" prefix:"kuaidi100." yaml:"kuaidi100"`
	Kdniao    kdniao.Settings    `embed:"" prefix:"kdniao." yaml:"kdniao"`
}

// A maker is what each field of Settings is: settings that can make their
// carrier, or say with ErrInvalid which of them is wrong.
type maker interface {
	Carrier() (carriers.Carrier, error)
}

// Carriers makes all carriers, in the order of the fields. The error joins those
// of all settings that are wrong.
func (s *Settings) Carriers() ([]carriers.Carrier, error) {
	var list []carriers.Carrier
	var wrong []error
	// By reflection, so that the line above is the only one that a new carrier
	// needs, and none can be in the settings but missing in the list.
	for name, field := range reflect.ValueOf(s).Elem().Fields() {
		m, ok := field.Interface().(maker)
		if !ok {
			panic(fmt.Sprintf("BUG: carriers/all: %s has no method Carrier() (carriers.Carrier, error)", name.Name))
		}
		c, err := m.Carrier()
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		list = append(list, c)
	}
	return list, errors.Join(wrong...)
}
