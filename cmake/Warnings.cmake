# gibson_warnings(target): the warnings every target of ours is compiled with.
option(GIBSON_WERROR "Treat warnings as errors" OFF)

function(gibson_warnings target)
    target_compile_options(
        ${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wpedantic -Wstrict-prototypes
                          -Wmissing-prototypes -Wvla)
    if(GIBSON_WERROR)
        target_compile_options(${target} PRIVATE -Werror)
    endif()
endfunction()
