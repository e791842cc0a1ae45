// File: metadata/image_records.h
//
// An image as the records that make it: what a snapshot consists of. The order is canonical (features,
// metadata.version first; brokers by id; topics by name, each with its partitions), so that equal images
// give equal records, byte for byte, and loading what was written gives the image back (invariant I-18).
//
// Pure; any thread.
#ifndef QUORATE_METADATA_IMAGE_RECORDS_H_
#define QUORATE_METADATA_IMAGE_RECORDS_H_

#include "absl/functional/function_ref.h"
#include "metadata/records.h"
#include "quorate/metadata.h"

namespace quorate::metadata {

// visit(record) -> false to stop.
void ForEachRecord(const MetadataImage& image, absl::FunctionRef<bool(const Record&)> visit);

}  // namespace quorate::metadata

#endif  // QUORATE_METADATA_IMAGE_RECORDS_H_
