
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Picks from a result what an enrollment keeps of the device.
 */


#include "mdm_report_facts.h"


typedef struct {
    mdm_report_dict_e         dict;
    mdm_top_type_e            type;
    const char               *key;         /* Apple's */
    mdm_str_t                 command;     /* RequestType */
    mdm_str_t                 field;       /* of the enrollment hash */
} mdm_report_fact_t;


#define mdm_information(key, field)                                           \
    { MDM_REPORT_QUERY_RESPONSES, MDM_TOP_STRING, key,                        \
      mdm_string("DeviceInformation"), mdm_string(field) }


static const mdm_report_fact_t  mdm_report_fact_table[] = {
    mdm_information("DeviceName", "name"),
    mdm_information("Model", "model"),
    mdm_information("ModelName", "model_name"),
    mdm_information("ProductName", "product"),
    mdm_information("OSVersion", "os"),
    mdm_information("BuildVersion", "build"),

    { MDM_REPORT_QUERY_RESPONSES, MDM_TOP_BOOL, "IsSupervised",
      mdm_string("DeviceInformation"), mdm_string("supervised") },

    { MDM_REPORT_SECURITY_INFO, MDM_TOP_BOOL, "IsSupervised",
      mdm_string("SecurityInfo"), mdm_string("supervised") },

    { MDM_REPORT_QUERY_RESPONSES, MDM_TOP_NONE, NULL, mdm_null_string,
      mdm_null_string }
};


mdm_uint_t
mdm_report_facts(const mdm_report_t *report, mdm_str_t *args)
{
    mdm_str_t                 value;
    mdm_uint_t                n;
    const mdm_top_member_t   *member;
    const mdm_report_fact_t  *fact;

    n = 0;

    if (report->status != MDM_REPORT_ACKNOWLEDGED) {
        return 0;
    }

    for (fact = mdm_report_fact_table; fact->key != NULL; fact++) {

        member = mdm_report_member(report, fact->dict, fact->key);

        if (member == NULL || member->type != fact->type) {
            continue;
        }

        value = member->text;

        if (value.len == 0 || value.len > MDM_FACT_MAX) {
            continue;
        }

        if (fact->type == MDM_TOP_BOOL) {

            if (mdm_str_is(&value, "true")) {
                mdm_str_set(&value, "1");

            } else {
                mdm_str_set(&value, "0");
            }
        }

        args[n++] = fact->command;
        args[n++] = fact->field;
        args[n++] = value;
    }

    return n;
}
