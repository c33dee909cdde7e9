package trace

// AppendTime appends a moment as RFC 3339 with the given offset in minutes; a
// fraction of a second only when there is one.
func AppendTime(dst []byte, instant int64, offset int16) []byte {
	dst = appendLocal(dst, instant+int64(offset)*60_000, 'T')
	if offset == 0 {
		return append(dst, 'Z')
	}
	sign, minutes := byte('+'), uint32(offset)
	if offset < 0 {
		sign, minutes = '-', uint32(-offset)
	}
	n := len(dst)
	dst = append(dst, "+00:00"...)
	b := dst[n:]
	b[0] = sign
	put2(b[1:3], minutes/60)
	put2(b[4:6], minutes%60)
	return dst
}

// appendLocal appends date and clock time, between them sep.
func appendLocal(dst []byte, ms int64, sep byte) []byte {
	days := floor(ms, msOfDay)
	n := len(dst)
	dst = append(dst, "0000-00-00 00:00:00"...)
	b := dst[n : n+len("0000-00-00 00:00:00")]
	putDate(b, days)
	clock := uint32(ms - days*msOfDay)
	second := clock / 1000
	b[10] = sep
	put2(b[11:13], second/3600)
	put2(b[14:16], second/60%60)
	put2(b[17:19], second%60)
	if clock %= 1000; clock != 0 {
		dst = append(dst, '.', byte('0'+clock/100), byte('0'+clock/10%10), byte('0'+clock%10))
	}
	return dst
}

const msOfDay = 86_400_000

// appendDate appends the day of a local time, "2006-01-02".
func appendDate(dst []byte, ms int64) []byte {
	n := len(dst)
	dst = append(dst, "0000-00-00"...)
	putDate(dst[n:], floor(ms, msOfDay))
	return dst
}

// putDate writes digits around the dashes of "0000-00-00".
func putDate(b []byte, days int64) {
	// The reverse of daysSince1970 by multiplication, after Neri and Schneider,
	// "Euclidean affine functions and their application to calendar algorithms" (2022).
	// Its year begins in March, and days are counted from March of the year -400.
	n := 4*uint64(days+719_468+146_097) + 3
	century, n := n/146_097, n%146_097|3
	const scale = 2_939_745 // 2^32 / 1461, rounded up
	product := scale * n
	year := 100*century + product>>32 - 400
	dayOfYear := uint32(product) / scale / 4
	rest := 2141*dayOfYear + 197_913
	month, day := rest>>16, rest&0xFFFF/2141+1
	if month > 12 {
		month -= 12
		year++
	}
	put2(b[0:2], uint32(year/100%100))
	put2(b[2:4], uint32(year%100))
	put2(b[5:7], month)
	put2(b[8:10], day)
}

// put2 writes two digits.
func put2(b []byte, n uint32) {
	_ = b[1]
	b[0], b[1] = byte('0'+n/10), byte('0'+n%10)
}
