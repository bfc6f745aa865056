// Precompiled for the tests and their stand-ins.
#pragma once

#include "messages/json.hpp"
#include "messages/pch.hpp"

#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>
