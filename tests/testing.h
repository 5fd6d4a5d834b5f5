/* tests/testing.h: cmocka and what it needs, included first by every C test. */
#ifndef KEN_TESTING_H
#define KEN_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#endif
