/* Minor units of currencies: ISO 4217, table A.1 (list one). Those with 2 digits are the rule and
 * are recognised by being listed in `two`. */
#include <string.h>

#include "kontor/context.h"

static const char zero[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
static const char three[] = "BHD IQD JOD KWD LYD OMR TND ";
static const char four[] = "CLF UYW ";
static const char two[] =
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN "
    "BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP "
    "GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK "
    "LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK "
    "NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP "
    "STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD YER ZAR "
    "ZMW ZWL ";

static int listed(const char *list, const char *code)
{
    const char *found = strstr(list, code);
    return found && (found - list) % 4 == 0;
}

int kt_currency_minor_units(const char *code)
{
    if (!code || strlen(code) != 3)
        return -1;
    if (listed(two, code))
        return 2;
    if (listed(zero, code))
        return 0;
    if (listed(three, code))
        return 3;
    return listed(four, code) ? 4 : -1;
}
