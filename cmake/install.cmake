# The public library in its two forms, and what `cmake --install` puts where.
set(KEN_LIBRARY_FOLDERS ken_models ken_image ken_text ken_formats ken_tensor ken_kernels ken_base)
# Linked by name: going through their own pkg-config files would ask for the development packages of
# everything that they link in turn.
set(KEN_LIBRARY_LIBS
  "-ljansson -lcrypto -lxxhash -ljpeg -lspng -lwebp -lutf8proc -lpcre2-8 -larchive -lyaml -lz")

foreach(target ${KEN_LIBRARY_FOLDERS} ken)
  if(NOT TARGET ${target})
    return()
  endif()
endforeach()

# One object holds every folder of the library. In it, symbols that are hidden become local, so that a
# user's program may define functions of the same names.
set(archives "")
foreach(folder ${KEN_LIBRARY_FOLDERS})
  list(APPEND archives $<TARGET_FILE:${folder}>)
endforeach()
set(KEN_OBJECT ${CMAKE_BINARY_DIR}/ken_all.o)
add_custom_command(OUTPUT ${KEN_OBJECT} ${CMAKE_BINARY_DIR}/libken.a
  COMMAND ${CMAKE_LINKER} -r --whole-archive ${archives} -o ${KEN_OBJECT}
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${KEN_OBJECT}
  COMMAND ${CMAKE_COMMAND} -E rm -f libken.a
  COMMAND ${CMAKE_AR} rcs libken.a ${KEN_OBJECT}
  WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
  DEPENDS ${KEN_LIBRARY_FOLDERS} COMMENT "Making libken.a" VERBATIM)

add_library(ken_shared SHARED ${KEN_OBJECT})
set_target_properties(ken_shared PROPERTIES OUTPUT_NAME ken LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_link_libraries(ken_shared PRIVATE ken_flags Threads::Threads PkgConfig::jansson
  PkgConfig::libcrypto PkgConfig::libxxhash PkgConfig::libjpeg PkgConfig::spng
  PkgConfig::libwebp PkgConfig::libutf8proc PkgConfig::libpcre2_8 PkgConfig::libarchive
  PkgConfig::yaml_0_1 ZLIB::ZLIB)

configure_file(cmake/ken.pc.in ${CMAKE_BINARY_DIR}/ken.pc @ONLY)

# Manual pages and completion come from the program's own option tables.
set(KEN_COMMANDS embed export classify calibrate probe compare tokenize preprocess verify bench doctor help completion)
set(pages ${CMAKE_BINARY_DIR}/man/ken.1)
set(page_commands COMMAND ken help --man ken > ${CMAKE_BINARY_DIR}/man/ken.1)
foreach(command ${KEN_COMMANDS})
  list(APPEND pages ${CMAKE_BINARY_DIR}/man/ken-${command}.1)
  list(APPEND page_commands COMMAND ken help --man ${command} > ${CMAKE_BINARY_DIR}/man/ken-${command}.1)
endforeach()
set(completions ${CMAKE_BINARY_DIR}/completion/ken.bash ${CMAKE_BINARY_DIR}/completion/_ken
  ${CMAKE_BINARY_DIR}/completion/ken.fish)
add_custom_command(OUTPUT ${pages} ${completions}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man ${CMAKE_BINARY_DIR}/completion
  ${page_commands}
  COMMAND ken completion bash > ${CMAKE_BINARY_DIR}/completion/ken.bash
  COMMAND ken completion zsh > ${CMAKE_BINARY_DIR}/completion/_ken
  COMMAND ken completion fish > ${CMAKE_BINARY_DIR}/completion/ken.fish
  DEPENDS ken COMMENT "Writing manual pages and completion" VERBATIM)
add_custom_target(ken_pages ALL DEPENDS ${pages} ${completions})

install(TARGETS ken RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ken_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${CMAKE_BINARY_DIR}/libken.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/ken.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/ken.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
# Where formats/ looks for it first: ../lib/ken beside the program.
install(FILES ${KEN_DUCKDB_DIR}/libduckdb.so DESTINATION lib/ken)
install(DIRECTORY models/demo DESTINATION ${CMAKE_INSTALL_DATADIR}/ken/models)
install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_BINARY_DIR}/completion/ken.bash
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ken)
install(FILES ${CMAKE_BINARY_DIR}/completion/_ken
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${CMAKE_BINARY_DIR}/completion/ken.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
