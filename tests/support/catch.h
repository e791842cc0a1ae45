// Catch2, 2.13 (Debian 12) or 3.x.
#ifndef QUORATE_TESTS_SUPPORT_CATCH_H_
#define QUORATE_TESTS_SUPPORT_CATCH_H_

#ifdef QUORATE_CATCH2_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif  // QUORATE_TESTS_SUPPORT_CATCH_H_
