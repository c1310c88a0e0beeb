# GIBSON_SANITIZE: a comma-separated list for -fsanitize, for everything that is built.
set(GIBSON_SANITIZE "" CACHE STRING "Sanitizers to build with, such as address,undefined")

if(GIBSON_SANITIZE)
    add_compile_options(-fsanitize=${GIBSON_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${GIBSON_SANITIZE})
endif()

option(GIBSON_COVERAGE "Build for line and branch coverage" OFF)
if(GIBSON_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()
