# Runs the example twice on one data directory, and expects of the second run that it found the topic there.
file(REMOVE_RECURSE ${DIRECTORY})
foreach(expected "created email.send" "found email.send")
  execute_process(COMMAND ${PROGRAM} ${DIRECTORY} 23191 OUTPUT_VARIABLE output ERROR_VARIABLE output
                  RESULT_VARIABLE result TIMEOUT 50)
  message("${output}")
  if(NOT result EQUAL 0 OR NOT output MATCHES "${expected}" OR NOT output MATCHES "working on 12 of 12 partitions")
    message(FATAL_ERROR "exit code ${result}; '${expected}' and 12 partitions at work were expected above")
  endif()
endforeach()
