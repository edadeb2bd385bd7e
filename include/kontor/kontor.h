/** Everything a plugin needs. See README.md beside this file for a complete small module. */
#pragma once

#include "kontor/context.h"
#include "kontor/date.h"
#include "kontor/decimal.h"
#include "kontor/event.h"
#include "kontor/export.h"
#include "kontor/limits.h"
#include "kontor/model.h"
#include "kontor/plugin.h"
#include "kontor/record.h"
#include "kontor/status.h"
#include "kontor/value.h"
