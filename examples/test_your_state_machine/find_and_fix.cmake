# Runs the example as one would: the bug is found and its plan kept, the plan shows it again with every message, and the
# service without the bug holds, there and in other runs.
file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})

function(expect code pattern)
  execute_process(COMMAND ${PROGRAM} ${ARGN} WORKING_DIRECTORY ${DIRECTORY} OUTPUT_VARIABLE output
    ERROR_VARIABLE output RESULT_VARIABLE result TIMEOUT 200)
  string(LENGTH "${output}" length)
  if(length LESS 5000)
    message("$ test_your_state_machine ${ARGN}\n${output}")
  endif()
  if(NOT result EQUAL code OR NOT output MATCHES "${pattern}")
    message(FATAL_ERROR "exit code ${result}; ${code} and '${pattern}' were expected of: ${ARGN}\n${output}")
  endif()
endfunction()

set(found "seed [0-9]+ breaks I-(17|18): .*answers \"[0-9]+\".*answered \"[0-9]+\".*seed=[0-9]+.*ReplaySimulation")
expect(1 "failed.plan.*${found}")
expect(1 "event=leadership.*${found}" --replay failed.plan)
expect(0 "40 runs held" --fixed)
expect(0 "1 runs held" --fixed --replay failed.plan)
expect(2 "can't be read" --replay nowhere.plan)
expect(2 "usage" --nonsense)
