# Fails, naming the files, when clang-format would change one.
file(GLOB_RECURSE sources
  ${SOURCE_DIR}/lib/*.h ${SOURCE_DIR}/lib/*.cc ${SOURCE_DIR}/include/*.h ${SOURCE_DIR}/tests/*.h ${SOURCE_DIR}/tests/*.cc
  ${SOURCE_DIR}/examples/*.h ${SOURCE_DIR}/examples/*.cc ${SOURCE_DIR}/bench/*.h ${SOURCE_DIR}/bench/*.cc)
execute_process(COMMAND ${CLANG_FORMAT} --dry-run -Werror ${sources}
  WORKING_DIRECTORY ${SOURCE_DIR} RESULT_VARIABLE result ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  string(REGEX MATCHALL "[^\n]*: (error|warning): [^\n]*" complaints "${output}")
  list(TRANSFORM complaints REPLACE ":.*" "")
  list(REMOVE_DUPLICATES complaints)
  list(JOIN complaints "\n  " files)
  message(FATAL_ERROR "not formatted (clang-format -i):\n  ${files}")
endif()
list(LENGTH sources count)
message("${count} files are formatted")
