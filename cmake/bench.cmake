# Benchmarks, which `./dev bench NAME` runs; they land beside the program.
function(ken_bench name)
  add_executable(bench_${name} ${CMAKE_SOURCE_DIR}/bench/bench_${name}.c)
  target_link_libraries(bench_${name} PRIVATE ${ARGN})
  set_target_properties(bench_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

ken_bench(encode ken_models)
ken_bench(kernels ken_kernels)
foreach(name encode kernels)
  target_sources(bench_${name} PRIVATE ${CMAKE_SOURCE_DIR}/bench/core_probe.c)
endforeach()
ken_bench(pictures ken_image)

# What `./dev lint perf` counts instructions of.
add_executable(count_kernels ${CMAKE_SOURCE_DIR}/bench/count_kernels.c)
target_link_libraries(count_kernels PRIVATE ken_kernels)
set_target_properties(count_kernels PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
