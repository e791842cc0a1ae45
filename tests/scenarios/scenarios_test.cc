// Runs every script below this folder and compares what it prints with what it says there. To take over what they
// print now, and then read the diff:
//
//   QUORATE_REWRITE=1 ctest -R scenarios
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "scenarios/interpreter.h"
#include "scenarios/script.h"
#include "support/catch.h"

namespace quorate::scenarios {
namespace {

const std::filesystem::path kFolder = QUORATE_SCENARIO_DIR;

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> ScriptPaths() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kFolder)) {
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt")
      paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// What each block prints. An error names the line.
absl::StatusOr<std::vector<std::vector<std::string>>> Outputs(const Script& script) {
  Interpreter interpreter;
  std::vector<std::vector<std::string>> outputs;
  for (const Block& block : script.blocks()) {
    std::vector<std::string> output;
    for (const Command& command : block.commands) {
      auto lines = interpreter.Run(command.text);
      if (!lines.ok()) {
        const std::string before = output.empty() ? "" : "\nbefore it:\n" + absl::StrJoin(output, "\n");
        return absl::Status(lines.status().code(), absl::StrCat("line ", command.line, ": ", command.text, "\n",
                                                                lines.status().message(), before));
      }
      output.insert(output.end(), lines->begin(), lines->end());
    }
    if (output.empty()) output.emplace_back("ok");
    outputs.push_back(std::move(output));
  }
  return outputs;
}

// The message of the error that this script ends with.
std::string ErrorOf(const std::string& text) {
  const auto script = Script::Parse(text);
  if (!script.ok()) return std::string(script.status().message());
  const auto outputs = Outputs(*script);
  return outputs.ok() ? "none" : std::string(outputs.status().message());
}

TEST_CASE("Every scenario goes as it is written", "[scenarios]") {
  const bool rewrite = std::getenv("QUORATE_REWRITE") != nullptr;
  for (const std::filesystem::path& path : ScriptPaths()) {
    const std::string name = std::filesystem::relative(path, kFolder).string();
    INFO(name);
    const std::string text = ReadFile(path);
    const auto script = Script::Parse(text);
    if (!script.ok()) {
      FAIL_CHECK(name << ":" << script.status().message());
      continue;
    }
    const auto outputs = Outputs(*script);
    if (!outputs.ok()) {
      FAIL_CHECK(name << ": " << outputs.status().message());
      continue;
    }
    if (rewrite) {
      if (const std::string now = script->WithOutputs(*outputs); now != text) {
        std::ofstream(path, std::ios::binary) << now;
      }
      continue;
    }
    for (size_t i = 0; i < outputs->size(); ++i) {
      const Block& block = script->blocks()[i];
      if (block.output == (*outputs)[i]) {
        CHECK(true);
        continue;
      }
      FAIL_CHECK(name << ":" << block.commands.front().line << ": " << block.commands.back().text << "\n"
                      << Diff(block.output, (*outputs)[i])
                      << "If the new output is right: QUORATE_REWRITE=1 ctest -R scenarios, and read the diff.");
    }
  }
}

TEST_CASE("Every scenario says what it is about", "[scenarios]") {
  const std::regex rule(R"(\b(M-\d\d|F-[A-Z]\d\d|I-\d\d)\b)");
  const std::vector<std::filesystem::path> paths = ScriptPaths();
  CHECK(paths.size() >= 30);
  for (const std::filesystem::path& path : paths) {
    INFO(path.string());
    const auto script = Script::Parse(ReadFile(path));
    REQUIRE(script.ok());
    CHECK(script->Header().size() > 80);
    CHECK(std::regex_search(script->Header(), rule));
    // A script that expects nothing shows nothing that a careless regeneration would not lose.
    bool expects = false;
    for (const Block& block : script->blocks()) {
      for (const Command& command : block.commands) expects = expects || command.text.rfind("expect ", 0) == 0;
    }
    CHECK(expects);
  }
}

TEST_CASE("Every rule that is an interleaving has its scenario", "[scenarios]") {
  // Not here: M-11 (roles inside of one node), M-26 (a disk that lies), M-30 and M-31 (the host's side of the
  // core), M-38 and M-39 (formatting): they have tests of their own in other folders.
  const std::vector<std::string> rules = {"M-01", "M-02", "M-03", "M-04", "M-05", "M-06", "M-07", "M-08", "M-09",
                                          "M-10", "M-12", "M-13", "M-14", "M-15", "M-16", "M-17", "M-18", "M-19",
                                          "M-20", "M-21", "M-22", "M-23", "M-24", "M-25", "M-27", "M-28", "M-29",
                                          "M-32", "M-33", "M-34", "M-35", "M-36", "M-37", "M-40"};
  std::string headers;
  for (const std::filesystem::path& path : ScriptPaths()) {
    const auto script = Script::Parse(ReadFile(path));
    REQUIRE(script.ok());
    headers += script->Header();
  }
  for (const std::string& rule : rules) {
    INFO(rule);
    CHECK(headers.find(rule) != std::string::npos);
  }
}

TEST_CASE("A scenario prints the same every time", "[scenarios]") {
  for (const std::filesystem::path& path : ScriptPaths()) {
    INFO(path.string());
    const auto script = Script::Parse(ReadFile(path));
    REQUIRE(script.ok());
    const auto first = Outputs(*script);
    const auto second = Outputs(*script);
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    CHECK(*first == *second);
  }
}

// As it is written in a table of Markdown.
std::string Escaped(const std::string& text) { return std::regex_replace(text, std::regex("\\|"), "\\|"); }

TEST_CASE("The manual has every command", "[scenarios]") {
  const std::string manual = ReadFile(kFolder / "README.md");
  for (const std::string& usage : Interpreter::Usages()) {
    INFO(usage);
    CHECK(manual.find("`" + Escaped(usage) + "`") != std::string::npos);
  }
}

TEST_CASE("Mistakes in a script are found, with their line", "[scenarios]") {
  const std::string start = "nodes 3\nstart\n----\nok\n\n";
  CHECK(ErrorOf(start + "fly 1\n----\n") == "line 6: fly 1\nunknown command \"fly\"");
  CHECK(ErrorOf(start + "crash\n----\n") == "line 6: crash\nwrite: crash NODE [keep [N]]");
  CHECK(ErrorOf(start + "crash 7\n----\n") == "line 6: crash 7\nthere is no node 7");
  CHECK(ErrorOf(start + "crash 1\nread 1\n----\n") == "line 7: read 1\nnode 1 isn't running");
  CHECK(ErrorOf(start + "deliver 1->2 Votes\n----\n").find("line 6: deliver 1->2 Votes\n\"Votes\" selects no") == 0);
  CHECK(ErrorOf(start + "deliver 1->2\n----\n") == "line 6: deliver 1->2\nno such message is on its way");
  CHECK(ErrorOf(start + "tick 3\n----\n") == "line 6: tick 3\n\"3\" is no duration; write 300ms or 2s");
  CHECK(ErrorOf(start + "expect joy\n----\n") == "line 6: expect joy\nnothing can be expected of \"joy\"");
  CHECK(ErrorOf("start\n----\n") == "line 1: start\na script begins with `nodes`");
  CHECK(ErrorOf("nodes 3\n") == "line 1: the last command has no line of dashes behind it");
  CHECK(ErrorOf("nodes 3\n\nstart\n----\nok\n") ==
        "line 2: a command must be followed by more commands or a line of dashes");
  CHECK(ErrorOf("# nothing\n") == "line 1: there is no command");
}

TEST_CASE("An expectation that doesn't hold fails, whatever the output says", "[scenarios]") {
  CHECK(ErrorOf("nodes 3\nstart\nexpect leader 1\n----\nok\n") ==
        "line 3: expect leader 1\nthe expectation doesn't hold: it is none");
  CHECK(ErrorOf("nodes 3\nstart\nexpect leader none\nexpect not leader 1\n----\n") == "none");
  CHECK(ErrorOf("nodes 3\nstart\nexpect not leader none\n----\n") ==
        "line 3: expect not leader none\nthe expectation doesn't hold: it is so");
}

TEST_CASE("The referee of the scenarios sees a broken promise", "[scenarios]") {
  // A disk that forgets a vote is the one thing that no core can make up for.
  const std::string forgets =
      "nodes 3\nstart\nbackup 3\ncampaign 1\ndeliver PreVote\ndeliver PreVoteAnswer\ndeliver 1->3 Vote\ncrash 3\n"
      "rollback 3\nrestart 3\ndrop\ncampaign 2\ndeliver 2->3 PreVote\ndeliver 3->2 PreVoteAnswer\n"
      "deliver 2->3 Vote\n----\n";
  CHECK(ErrorOf(forgets).find("I-02: node 3 voted for 1 and for 2 in epoch 1") != std::string::npos);
}

TEST_CASE("A difference is shown line by line", "[scenarios]") {
  CHECK(Diff({"a", "b", "c"}, {"a", "x", "c", "d"}) == "   a\n - b\n + x\n   c\n + d\n");
  CHECK(Diff({}, {"a"}) == " + a\n");
  CHECK(Diff({"a"}, {"a"}) == "   a\n");
}

TEST_CASE("A regenerated script keeps all but its outputs", "[scenarios]") {
  const std::string text = "# story\n\nnodes 3\nstart\n----\nold\n\n# more\ncrash 1\n----\nold\n\n# end\n";
  const auto script = Script::Parse(text);
  REQUIRE(script.ok());
  CHECK(script->WithOutputs({{"old"}, {"old"}}) == text);
  CHECK(script->WithOutputs({{"new"}, {"old"}}).find("start\n----\nnew\n\n# more") != std::string::npos);
}

}  // namespace
}  // namespace quorate::scenarios
