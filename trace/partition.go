package trace

// Partitions is how many partitions the feed has, and the topic that nodes share. It is
// fixed when a directory is made.
const Partitions = 16

// PartitionOf is the partition of a waybill number: FNV-1a of 64 bits, modulo
// Partitions. All nodes must agree on it, so it never changes.
func PartitionOf(number string) uint16 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(number); i++ {
		h = (h ^ uint64(number[i])) * 1099511628211
	}
	return uint16(h % Partitions)
}
