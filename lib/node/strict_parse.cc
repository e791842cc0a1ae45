#include "node/strict_parse.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/unknown_field_set.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "quorate/limits.h"
#include "quorate/status.h"

namespace quorate::node {
namespace {

// Our messages are three deep.
constexpr int kNestingMax = 8;

// The number of an unknown field anywhere in `message`, or 0.
int FindUnknownField(const google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (const auto& unknown = reflection.GetUnknownFields(message); !unknown.empty()) return unknown.field(0).number();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const int found = FindUnknownField(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                                              : reflection.GetMessage(message, field));
      if (found != 0) return found;
    }
  }
  return 0;
}

}  // namespace

absl::Status ParseStrictly(absl::string_view bytes, google::protobuf::Message* message) {
  const auto refuse = [&](absl::string_view what) {
    return MakeError(Reason::kInvalidArgument, Outcome::kNotApplied,
                     absl::StrCat("the message is no valid ", message->GetTypeName(), ": ", what));
  };
  if (bytes.size() > limits::kRpcMessageBytesMax) {
    return refuse(absl::StrCat(bytes.size(), " bytes are more than the limit of ", limits::kRpcMessageBytesMax));
  }
  google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                                               static_cast<int>(bytes.size()));
  input.SetRecursionLimit(kNestingMax);
  if (!message->ParseFromCodedStream(&input) || !input.ConsumedEntireMessage()) return refuse("it can't be parsed");
  if (const int number = FindUnknownField(*message); number != 0) {
    return refuse(absl::StrCat("this version doesn't know field ", number));
  }
  return absl::OkStatus();
}

}  // namespace quorate::node
