// Generated sections of a page in Markdown: each stands between two comments with its name, and is replaced without
// touching what people wrote around it.
#ifndef QUORATE_TESTS_SIMULATOR_SECTIONS_H_
#define QUORATE_TESTS_SIMULATOR_SECTIONS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace quorate::testing::simulator {

// `page` with the section `name` replaced by `text`; appended if it has none.
std::string WithSection(absl::string_view page, absl::string_view name, absl::string_view text);

// The same with a file, which is made if there is none. False, and says so, if it can't be written.
bool WriteSection(const std::string& path, absl::string_view name, absl::string_view text);

}  // namespace quorate::testing::simulator

#endif  // QUORATE_TESTS_SIMULATOR_SECTIONS_H_
