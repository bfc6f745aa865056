// Precompiled for the tests and their stand-ins.
#pragma once

#include "messages/actor.hpp"
#include "messages/interfaces.hpp"
#include "messages/pch.hpp"

#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
