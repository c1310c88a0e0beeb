# Headers, both libraries, gibson.pc, and the package for find_package(gibson). gibson-server has its
# own rules in server/.
include(CMakePackageConfigHelpers)

install(
    TARGETS gibson_shared gibson_static
    EXPORT gibson-targets
    COMPONENT library
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(
    DIRECTORY "${PROJECT_SOURCE_DIR}/include/gibson" "${PROJECT_BINARY_DIR}/include/gibson"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    COMPONENT library
    FILES_MATCHING
    PATTERN "*.h")

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/gibson")
configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/templates/gibson-config.cmake.in"
    "${PROJECT_BINARY_DIR}/gibson-config.cmake" INSTALL_DESTINATION "${package_dir}")
# While the version is 0.x, each minor version may break the ABI, as the SONAME says too.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/gibson-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(
    EXPORT gibson-targets
    NAMESPACE gibson::
    DESTINATION "${package_dir}"
    COMPONENT library)
install(
    FILES "${PROJECT_BINARY_DIR}/gibson-config.cmake"
          "${PROJECT_BINARY_DIR}/gibson-config-version.cmake"
    DESTINATION "${package_dir}"
    COMPONENT library)

# An absolute install directory stays what it is; a relative one moves with the prefix.
foreach(kind LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${kind}}")
        set(GIBSON_PC_${kind} "${CMAKE_INSTALL_${kind}}")
    else()
        set(GIBSON_PC_${kind} "\${prefix}/${CMAKE_INSTALL_${kind}}")
    endif()
endforeach()
configure_file("${PROJECT_SOURCE_DIR}/cmake/templates/gibson.pc.in"
               "${PROJECT_BINARY_DIR}/gibson.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/gibson.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT library)
if(GIBSON_BUILD_SERVER)
    configure_file("${PROJECT_SOURCE_DIR}/cmake/templates/gibson-server.pc.in"
                   "${PROJECT_BINARY_DIR}/gibson-server.pc" @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/gibson-server.pc"
            DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT server_library)
endif()
