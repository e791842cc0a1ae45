# How a room of lib/ becomes a library, and a folder of tests/ a test program.
#
#   quorate_room(raft SOURCES core.cc … DEPENDS quorate::base)   -> quorate_raft, quorate::raft
#   quorate_test(raft SOURCES core_test.cc … DEPENDS quorate::raft) -> test_raft, run by ctest

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
find_program(QUORATE_CCACHE ccache)
if(QUORATE_CCACHE AND PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${QUORATE_CCACHE})
endif()

find_package(absl REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET GLOBAL libisal)
if(QUORATE_GRPC)
  find_package(Protobuf REQUIRED)
  find_package(gRPC CONFIG REQUIRED)
endif()

add_library(quorate_build_flags INTERFACE)
target_compile_options(quorate_build_flags INTERFACE -Wall -Wextra $<$<BOOL:${QUORATE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms of gcc 12 about code of the standard library that it inlined (GCC bugs 105651 and 105562).
  target_compile_options(quorate_build_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(QUORATE_SANITIZE)
  # Reports need names and lines, and no more: with the rest of -g such a build takes half as long again.
  target_compile_options(quorate_build_flags INTERFACE -fsanitize=${QUORATE_SANITIZE} -fno-omit-frame-pointer -g1)
  target_link_options(quorate_build_flags INTERFACE -fsanitize=${QUORATE_SANITIZE})
endif()

# What all tests, and the processes that they start, run with. Undefined behaviour ends the program: else it is only
# told, and the test that does it passes. Nothing that isn't instrumented is believed: no lock or thread of Debian's gRPC,
# Protocol Buffers and Abseil says what is ordered. tests/support/tsan_grpc.cc says what gRPC orders, and tsan.supp what
# is left.
if(QUORATE_SANITIZE AND PROJECT_IS_TOP_LEVEL)
  set(environment ${CMAKE_BINARY_DIR}/test_environment.cmake)
  set(tsan "ignore_noninstrumented_modules=1 history_size=4 suppressions=${PROJECT_SOURCE_DIR}/tests/support/tsan.supp")
  file(WRITE ${environment} "set(ENV{TSAN_OPTIONS} \"${tsan}\")\n"
    "set(ENV{UBSAN_OPTIONS} \"halt_on_error=1 print_stacktrace=1\")\n"
    "set(ENV{LSAN_OPTIONS} \"print_suppressions=0 suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp\")\n")
  set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY TEST_INCLUDE_FILES ${environment})
endif()
# For tests that are judged by what they print, whatever they exit with.
set(QUORATE_SANITIZER_OUTPUT "(Address|Leak|Thread)Sanitizer|runtime error:")

# How many seconds a test may take. The thread sanitizer makes programs five to fifteen times slower.
function(quorate_timeout test seconds)
  if(QUORATE_SANITIZE)
    math(EXPR seconds "${seconds} * 5")
  endif()
  set_tests_properties(${test} PROPERTIES TIMEOUT ${seconds})
endfunction()

if(QUORATE_FUZZ)
  target_compile_options(quorate_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

set_property(GLOBAL PROPERTY QUORATE_ROOMS "")

function(quorate_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  set(target quorate_${name})
  add_library(${target} STATIC ${ARG_SOURCES})
  add_library(quorate::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/lib)
  target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS} $<BUILD_INTERFACE:quorate_build_flags>)
  set_property(GLOBAL APPEND PROPERTY QUORATE_ROOMS ${target})
  # What the room is made of: tests/simulator builds some rooms once more, with hooks in them.
  list(TRANSFORM ARG_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE sources)
  set_property(GLOBAL PROPERTY QUORATE_SOURCES_${name} ${sources})
endfunction()

# Messages and services of proto/, compiled once each, in their own library: no public header shows them.
#   quorate_proto(peer_proto PROTOS quorate/v1/peer.proto …)
function(quorate_proto name)
  cmake_parse_arguments(ARG "" "" "PROTOS;DEPENDS" ${ARGN})
  set(target quorate_${name})
  set(out ${CMAKE_BINARY_DIR}/proto)
  set(sources)
  foreach(proto IN LISTS ARG_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    add_custom_command(
      OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc --cpp_out=${out} -I${PROJECT_SOURCE_DIR}/proto ${PROJECT_SOURCE_DIR}/proto/${proto}
      DEPENDS ${PROJECT_SOURCE_DIR}/proto/${proto} VERBATIM)
    list(APPEND sources ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
  endforeach()
  add_library(${target} STATIC ${sources})
  add_library(quorate::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(${target} SYSTEM PUBLIC $<BUILD_INTERFACE:${out}>)
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf ${ARG_DEPENDS})
  set_property(GLOBAL APPEND PROPERTY QUORATE_ROOMS ${target})
endfunction()

# A test program tests/<name>, linked with Catch2's main. LABELS select what a short run leaves out.
function(quorate_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;DEPENDS;LABELS" ${ARGN})
  set(target test_${name})
  add_executable(${target} ${ARG_SOURCES})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${target} PRIVATE ${ARG_DEPENDS} quorate_catch_main quorate_build_flags)
  # What is tested is built as users get it; the tests themselves need not be: this saves a third of a clean build.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  add_test(NAME ${name} COMMAND ${target})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  quorate_timeout(${name} ${ARG_TIMEOUT})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}")
endfunction()
