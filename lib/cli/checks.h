// Checks of what is typed after a flag, in words of our own: CLI11's have the names of its classes in them, and not
// what is allowed. A wrong value ends the program before anything is done.
#ifndef QUORATE_CLI_CHECKS_H_
#define QUORATE_CLI_CHECKS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace quorate::cli {

// A whole number in [min, max]. An empty word is none: it is a variable of a script that wasn't set, and no reason
// to choose a default, which is what CLI11 does then.
inline CLI::Validator WholeNumber(int64_t min, int64_t max) {
  return CLI::Validator(
      [min, max](const std::string& text) {
        int64_t number = 0;
        const bool good = absl::SimpleAtoi(text, &number) && number >= min && number <= max;
        return good ? std::string() : absl::StrCat("'", text, "' isn't a whole number from ", min, " to ", max);
      },
      "");
}

// Adds an option that takes one of a few words, in any case.
template <typename T>
CLI::Option* AddChoice(CLI::App* command, const std::string& name, T* target,
                       const std::vector<std::pair<std::string, T>>& choices, const std::string& description) {
  const auto find = [choices](const std::string& text) {
    auto at = choices.begin();
    while (at != choices.end() && at->first != absl::AsciiStrToLower(text)) ++at;
    return at == choices.end() ? nullptr : &*at;
  };
  const std::string words =
      absl::StrJoin(choices, ", ", [](std::string* out, const auto& choice) { out->append(choice.first); });
  return command
      ->add_option_function<std::string>(
          name, [find, target](const std::string& text) { *target = find(text)->second; }, description)
      ->check(CLI::Validator(
          [find, words](const std::string& text) {
            return find(text) != nullptr ? std::string() : absl::StrCat("'", text, "' isn't one of ", words);
          },
          ""));
}

}  // namespace quorate::cli

#endif  // QUORATE_CLI_CHECKS_H_
