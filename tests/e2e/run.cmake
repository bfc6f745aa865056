# Runs the e2e tests; installs what they need first, if the lock has changed since.
set(here "${CMAKE_CURRENT_LIST_DIR}")
if("${here}/package-lock.json" IS_NEWER_THAN "${here}/node_modules/.package-lock.json")
  execute_process(COMMAND "${NPM}" ci --ignore-scripts --no-audit --no-fund
    WORKING_DIRECTORY "${here}" RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "npm ci failed")
  endif()
endif()
execute_process(COMMAND "${NODE}" --test --test-reporter=spec WORKING_DIRECTORY "${here}"
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "the e2e tests failed")
endif()
