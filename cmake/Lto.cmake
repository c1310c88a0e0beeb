# GIBSON_LTO: optimise across files, so that small modules cost no calls on the hot path. The objects
# also hold ordinary code ("fat"), so that a static library works with any linker.
include(CheckCCompilerFlag)
option(GIBSON_LTO "Optimise across files in release builds (GCC)" ON)

set(GIBSON_LTO_FLAGS "")
if(GIBSON_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE MATCHES "^Rel"
   AND NOT GIBSON_SANITIZE AND NOT GIBSON_COVERAGE)
    set(GIBSON_LTO_FLAGS -flto=auto -ffat-lto-objects)
endif()
