/* auth_roles.c - the built-in roles, created when missing; what people make of the others later is theirs.
 *
 * `administrator` is for the first start and small plants. Where duties are separate there are three
 * instead: who runs the system, who gives rights, who reads the record of what both did. */
#include "core/auth/auth_int.h"

static const struct {
    const char *code, *name, *spec;
} builtin[] = {
    {"administrator", "Administrator",
     "{\"name_zh\":\"管理员\",\"description\":\"Everything, including users, roles and the audit log\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\",\"delete\",\"approve\",\"control\","
     "\"sensitive\",\"admin\"]}]}"},
    {"system_admin", "System administrator",
     "{\"name_zh\":\"系统管理员\",\"description\":\"Runs the system: configuration, organisations, keys, operation; "
     "gives no rights and does not see the audit log\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\",\"delete\",\"approve\"]},"
     "{\"kinds\":[\"org\",\"system\",\"secret\"],\"actions\":[\"read\",\"write\",\"delete\",\"admin\"]}]}"},
    {"security_admin", "Security administrator",
     "{\"name_zh\":\"安全管理员\",\"description\":\"Gives rights: users, groups, roles, sign-in rules; configures "
     "nothing "
     "else and does not see the audit log\","
     "\"permissions\":[{\"kinds\":[\"user\",\"group\",\"role\",\"security_settings\",\"oidc_provider\",\"ldap_server\"]"
     ","
     "\"actions\":[\"read\",\"write\",\"delete\",\"admin\"]},{\"kinds\":[\"org\"],\"actions\":[\"read\"]}]}"},
    {"audit_admin", "Audit administrator",
     "{\"name_zh\":\"审计管理员\",\"description\":\"Reads, checks and exports the audit log; configures nothing else\","
     "\"permissions\":[{\"kinds\":[\"audit\",\"audit_settings\"],\"actions\":[\"read\",\"write\",\"delete\",\"admin\"]}"
     ","
     "{\"kinds\":[\"user\",\"group\",\"role\",\"org\"],\"actions\":[\"read\"]}]}"},
    {"engineer", "Engineer",
     "{\"name_zh\":\"工程师\",\"description\":\"Configures everything but users and roles\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"write\",\"delete\",\"approve\",\"control\"]}]}"},
    {"operator", "Operator",
     "{\"name_zh\":\"操作员\",\"description\":\"Sees everything, writes to equipment, acknowledges alarms, keeps own "
     "trends\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\",\"control\"]},"
     "{\"kinds\":[\"alarm\"],\"actions\":[\"read\",\"write\"]},"
     "{\"kinds\":[\"trend\",\"saved_view\"],\"actions\":[\"read\",\"write\",\"delete\"]}]}"},
    {"viewer", "Viewer",
     "{\"name_zh\":\"浏览者\",\"description\":\"Sees everything, changes nothing\","
     "\"permissions\":[{\"kinds\":[\"*\"],\"actions\":[\"read\"]}]}"},
};

static int create_role(struct auth *a, size_t i, struct error *e)
{
    AUTO_ARENA arena;
    arena_init(&arena, 1 << 20);
    struct resource r;
    int rc = resource_get(a->kernel, &arena, "role", str_of(builtin[i].code), &r, NULL);
    if (rc != ERR_NOT_FOUND) return rc;
    struct json *spec = NULL;
    rc = json_parse(&arena, str_of(builtin[i].spec), &spec, e);
    if (rc) return rc;
    struct resource_input in = {.code = str_of(builtin[i].code), .name = str_of(builtin[i].name), .spec = spec};
    return resource_create(a->kernel, &arena, &actor_system, "role", &in, &r, e);
}

int auth_roles_builtin(struct auth *a, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < sizeof(builtin) / sizeof(builtin[0]) && !rc; i++) rc = create_role(a, i, e);
    return rc;
}

int auth_settings_builtin(struct auth *a, struct error *e)
{
    AUTO_ARENA arena;
    struct resource r;
    arena_init(&arena, 1 << 20);
    return resource_single(a->kernel, &arena, "security_settings", &r, e);
}
