# The tests of what is installed. Included by tests/CMakeLists.txt.

if(NOT GIBSON_SANITIZE AND NOT GIBSON_COVERAGE)
    add_test(NAME package_install
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/install_test.sh" "${PROJECT_BINARY_DIR}"
                     "${PROJECT_SOURCE_DIR}" "${PROJECT_VERSION}" "${CMAKE_C_COMPILER}"
                     "${CMAKE_GENERATOR}")
    add_test(NAME package_recipe
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/recipe_test.sh" "${PROJECT_SOURCE_DIR}"
                     "${PROJECT_VERSION}" "${CMAKE_C_COMPILER}" "${CMAKE_GENERATOR}")
    add_test(NAME package_options
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/options_test.sh" "${PROJECT_SOURCE_DIR}"
                     "${CMAKE_C_COMPILER}" "${CMAKE_GENERATOR}")
    add_test(NAME package_exports
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/package/exports_test.sh"
                     "$<TARGET_FILE:gibson_shared>" "${PROJECT_SOURCE_DIR}")
    set_tests_properties(package_exports package_install package_options package_recipe
                         PROPERTIES LABELS package)
endif()
