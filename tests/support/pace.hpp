// How fast the tests' own build is, for limits of time that a release keeps.
#pragma once

namespace troupe::test {

/// How many times longer things may take: a build with sanitizers is two to four times slower, on a
/// machine that other tests keep busy. What users wait for is bounded in the release's rings.
#ifdef TROUPE_SANITIZED
inline constexpr int slowed = 5;
#else
inline constexpr int slowed = 1;
#endif

} // namespace troupe::test
