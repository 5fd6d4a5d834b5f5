# Compiler flags that every target of ours gets, and the function that makes a folder a library.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(KEN_WERROR "treat warnings as errors" OFF)
set(KEN_SANITIZE "" CACHE STRING "value of -fsanitize=, such as address,undefined or thread")
option(KEN_COVERAGE "instrument for gcov" OFF)

add_library(ken_flags INTERFACE)
target_compile_definitions(ken_flags INTERFACE _GNU_SOURCE KEN_VERSION="${PROJECT_VERSION}")
target_include_directories(ken_flags INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_options(ken_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
  -Wwrite-strings -Wformat=2 -ffp-contract=off -fno-math-errno -fstack-protector-strong
  $<$<BOOL:${KEN_WERROR}>:-Werror>)
target_link_libraries(ken_flags INTERFACE m ${CMAKE_DL_LIBS})
target_link_options(ken_flags INTERFACE -Wl,-z,relro,-z,now -Wl,--as-needed)

if(KEN_SANITIZE)
  target_compile_options(ken_flags INTERFACE
    -fsanitize=${KEN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ken_flags INTERFACE -fsanitize=${KEN_SANITIZE})
  target_compile_definitions(ken_flags INTERFACE KEN_SANITIZED=1)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(ken_flags INTERFACE _FORTIFY_SOURCE=3)
endif()
if(KEN_COVERAGE)
  target_compile_options(ken_flags INTERFACE --coverage -O0 -fprofile-update=atomic)
  target_link_options(ken_flags INTERFACE --coverage)
endif()

include(CheckPIESupported)
check_pie_supported()

# ken_folder(NAME [LIBS lower folders and third-party targets...] [SOURCES ...])
# makes src/NAME the static library ken_NAME from its *.c files.
function(ken_folder name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LIBS;SOURCES")
  if(NOT arg_SOURCES)
    file(GLOB arg_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  endif()
  add_library(ken_${name} STATIC ${arg_SOURCES})
  target_link_libraries(ken_${name} PUBLIC ken_flags ${arg_LIBS})
endfunction()
