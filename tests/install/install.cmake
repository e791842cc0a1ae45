# Installs into a prefix, and looks at what is there.
file(REMOVE_RECURSE ${PREFIX})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX} OUTPUT_QUIET ERROR_VARIABLE error
  RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "cmake --install failed:\n${error}")
endif()

# The public promise is include/quorate/ and nothing else, whole.
file(GLOB_RECURSE promised RELATIVE ${SOURCE}/include ${SOURCE}/include/quorate/*.h)
file(GLOB_RECURSE installed RELATIVE ${PREFIX}/include ${PREFIX}/include/*)
list(SORT promised)
list(SORT installed)
if(NOT promised STREQUAL installed)
  message(FATAL_ERROR "installed headers differ from include/quorate:\n${installed}\n${promised}")
endif()

if(EXISTS ${PREFIX}/bin/quorate)
  # Kafka's names, as lib/cli/program_name.cc knows them; each link is that tool, from wherever it is started.
  file(STRINGS ${SOURCE}/lib/cli/program_name.cc names REGEX "{\"kafka-")
  list(LENGTH names expected)
  file(GLOB links ${PREFIX}/libexec/quorate/kafka-tools/*.sh)
  list(LENGTH links found)
  if(NOT expected EQUAL found)
    message(FATAL_ERROR "${found} links are installed, and the program knows ${expected} of Kafka's names: ${links}")
  endif()
  execute_process(COMMAND ${PREFIX}/libexec/quorate/kafka-tools/kafka-storage.sh random-uuid WORKING_DIRECTORY /
    OUTPUT_VARIABLE uuid OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE result)
  string(LENGTH "${uuid}" length)
  if(NOT result EQUAL 0 OR NOT length EQUAL 22)
    message(FATAL_ERROR "kafka-storage.sh random-uuid: exit code ${result}, '${uuid}'")
  endif()
endif()
