# What `cmake --install` puts where, and how others find it:
#
#   lib/libquorate_*.a, include/quorate/            the library and its whole public promise
#   lib/cmake/quorate/                              find_package(quorate), targets quorate::*
#   lib/pkgconfig/quorate-*.pc                      one per target that a host links
#   bin/quorate                                     the program
#   libexec/quorate/kafka-tools/kafka-*.sh          links to it under Kafka's names: put this directory into the PATH
#   share/quorate/proto/quorate/v1/proposals.proto  the service that clients in other languages may speak
#   share/doc/quorate/                              README, CHANGELOG, LICENSE, docs/
#
# Libraries are static: their dependencies are linked by whoever links them, so both kinds of package file carry the
# full closure. The one of pkg-config is computed from the targets, so that it can't differ from CMake's.
include(CMakePackageConfigHelpers)

get_property(rooms GLOBAL PROPERTY QUORATE_ROOMS)
set(QUORATE_COMPONENTS "")
foreach(room IN LISTS rooms)
  get_target_property(component ${room} EXPORT_NAME)
  list(APPEND QUORATE_COMPONENTS ${component})
endforeach()

install(TARGETS ${rooms} EXPORT quorateTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/quorate DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/quorate)
install(EXPORT quorateTargets NAMESPACE quorate:: DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/quorateConfig.cmake.in
  ${PROJECT_BINARY_DIR}/quorateConfig.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/quorateConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/quorateConfig.cmake ${PROJECT_BINARY_DIR}/quorateConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${PROJECT_SOURCE_DIR}/LICENSE
  DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
# For clients in other languages.
install(FILES ${PROJECT_SOURCE_DIR}/proto/quorate/v1/proposals.proto
  DESTINATION ${CMAKE_INSTALL_DATADIR}/quorate/proto/quorate/v1)

# ---- The program, and Kafka's names for it ---------------------------------------------------------

if(TARGET quorate)
  install(TARGETS quorate RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # Relative, so that the prefix can be moved, and staged with DESTDIR. lib/cli/program_name.cc knows the same names.
  set(tools_dir ${CMAKE_INSTALL_LIBEXECDIR}/quorate/kafka-tools)
  set(links ${PROJECT_BINARY_DIR}/kafka-tools)
  file(MAKE_DIRECTORY ${links})
  file(RELATIVE_PATH program_from_tools /prefix/${tools_dir} /prefix/${CMAKE_INSTALL_BINDIR}/quorate)
  foreach(tool kafka-storage kafka-topics kafka-metadata-quorum kafka-server-start)
    file(CREATE_LINK ${program_from_tools} ${links}/${tool}.sh SYMBOLIC)
    install(FILES ${links}/${tool}.sh DESTINATION ${tools_dir})
  endforeach()
endif()

# ---- pkg-config ------------------------------------------------------------------------------------

# Adds what `target` links to `libs` (our archives, dependents first), `requires` (others' packages) and `flags`.
function(quorate_pc_closure target)
  get_property(seen GLOBAL PROPERTY QUORATE_PC_SEEN)
  if(target IN_LIST seen)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY QUORATE_PC_SEEN ${target})
  get_target_property(links ${target} LINK_LIBRARIES)
  if(NOT links)
    set(links "")
  endif()
  foreach(link IN LISTS links)
    if(link MATCHES "^\\$<BUILD_INTERFACE:" OR link STREQUAL "")
      continue()
    elseif(link MATCHES "^absl::(.*)$")
      set_property(GLOBAL APPEND PROPERTY QUORATE_PC_REQUIRES absl_${CMAKE_MATCH_1})
    elseif(link MATCHES "^PkgConfig::ISAL$")
      set_property(GLOBAL APPEND PROPERTY QUORATE_PC_REQUIRES libisal)
    elseif(link MATCHES "^gRPC::(.*)$")
      set_property(GLOBAL APPEND PROPERTY QUORATE_PC_REQUIRES ${CMAKE_MATCH_1})
    elseif(link MATCHES "^protobuf::libprotobuf$")
      set_property(GLOBAL APPEND PROPERTY QUORATE_PC_REQUIRES protobuf)
    elseif(link STREQUAL "Threads::Threads")
      set_property(GLOBAL APPEND PROPERTY QUORATE_PC_FLAGS -pthread)
    elseif(TARGET ${link})
      get_target_property(aliased ${link} ALIASED_TARGET)
      if(aliased)
        set(link ${aliased})
      endif()
      get_target_property(type ${link} TYPE)
      if(NOT type STREQUAL "INTERFACE_LIBRARY")
        quorate_pc_closure(${link})
      endif()
    else()
      message(FATAL_ERROR "QuorateInstall: ${target} links '${link}', and there is no pkg-config name for it yet")
    endif()
  endforeach()
  # After everything that it needs; the list is turned round at the end.
  set_property(GLOBAL APPEND PROPERTY QUORATE_PC_LIBS ${target})
endfunction()

function(quorate_pc name description)
  if(NOT TARGET quorate_${name})
    return()
  endif()
  foreach(list SEEN LIBS REQUIRES FLAGS)
    set_property(GLOBAL PROPERTY QUORATE_PC_${list} "")
  endforeach()
  quorate_pc_closure(quorate_${name})
  foreach(list LIBS REQUIRES FLAGS)
    get_property(values GLOBAL PROPERTY QUORATE_PC_${list})
    list(REMOVE_DUPLICATES values)
    set(${list} ${values})
  endforeach()
  list(REVERSE LIBS)
  list(TRANSFORM LIBS PREPEND -l)
  list(APPEND LIBS ${FLAGS})
  list(JOIN LIBS " " QUORATE_PC_LIBS)
  list(JOIN REQUIRES ", " QUORATE_PC_REQUIRES)
  set(QUORATE_PC_NAME ${name})
  set(QUORATE_PC_DESCRIPTION "${description}")
  # Relative to the file, as far as the layout allows, so that a moved prefix still works.
  cmake_path(IS_ABSOLUTE CMAKE_INSTALL_LIBDIR absolute)
  if(absolute)
    set(QUORATE_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
    set(QUORATE_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
    set(QUORATE_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
  else()
    file(RELATIVE_PATH up /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
    string(REGEX REPLACE "/$" "" up "${up}")
    set(QUORATE_PC_PREFIX "\${pcfiledir}/${up}")
    set(QUORATE_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(QUORATE_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/quorate.pc.in ${PROJECT_BINARY_DIR}/quorate-${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/quorate-${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

quorate_pc(raft "The Raft core: a pure state machine, without threads, clocks or I/O")
quorate_pc(quorum "A Raft quorum for your own state machine, with file and memory storage")
quorate_pc(testing "Virtual time and conformance suites for state machines and adapters of quorate")
quorate_pc(grpc "The gRPC transport of quorate")
quorate_pc(service "Proposals and reads from outside of a quorum of quorate: the service and its client")
quorate_pc(controller "The controller: topics, brokers, partition leaders, on a quorum of quorate")
quorate_pc(broker "The broker's side of the cluster: registration, heartbeats, partition leaders")
quorate_pc(node "A whole node: controller, broker or both")
