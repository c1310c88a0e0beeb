# The tests of what is installed. Included by tests/CMakeLists.txt.

if(NOT GIBSON_SANITIZE AND NOT GIBSON_COVERAGE)
    add_test(NAME install_test
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/install_test.sh" "${PROJECT_BINARY_DIR}"
                     "${PROJECT_SOURCE_DIR}" "${PROJECT_VERSION}" "${CMAKE_C_COMPILER}"
                     "${CMAKE_GENERATOR}")
    add_test(NAME recipe_test
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/recipe_test.sh" "${PROJECT_SOURCE_DIR}"
                     "${PROJECT_VERSION}" "${CMAKE_C_COMPILER}" "${CMAKE_GENERATOR}")
    add_test(NAME options_test
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/options_test.sh" "${PROJECT_SOURCE_DIR}"
                     "${CMAKE_C_COMPILER}" "${CMAKE_GENERATOR}")
    add_test(NAME exports_test
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/exports_test.sh"
                     "$<TARGET_FILE:gibson_shared>" "${PROJECT_SOURCE_DIR}")
    gibson_label(package exports_test install_test options_test recipe_test)
endif()
